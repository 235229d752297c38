"""The work container is what cryptsetup and the kernel's dm-crypt take it for."""
import os

from kit import build, env, gpt, oracle
from kit.env import check, check_equal


def _container(disk):
    path = os.path.join(env.fresh("container"), "work.img")
    part = gpt.read(disk)["work"]
    env.copy_range(disk, part.at, part.length, path)
    return path


def test_cryptsetup_opens_it():
    path = _container(build.built().disk)
    before = env.sha256(path)
    env.run(["cryptsetup", "isLuks", "--type", "luks2", path])
    env.run(["cryptsetup", "open", "--test-passphrase", "--key-file", build.PASSCODE_FILE, path])
    wrong = os.path.join(os.path.dirname(path), "wrong")
    with open(wrong, "w") as f:
        f.write("2581")
    env.run(["cryptsetup", "open", "--test-passphrase", "--key-file", wrong, path], status=2)
    dump = env.run(["cryptsetup", "luksDump", path]).stdout
    for text in ("Version:       \t2", "aes-xts-plain64", "sector: 4096 [bytes]", "pbkdf2", "sha256", "offset: 16777216 [bytes]"):
        check(text in dump, f"luksDump does not say '{text}':\n{dump}")
    # cryptsetup repairs a damaged header without a word: only an untouched file says that both copies were right.
    check_equal(env.sha256(path), before, "SHA-256 of the container after cryptsetup read it")


def test_damage_is_noticed():
    """The positive control of the test above: cryptsetup does rewrite a header copy whose checksum is wrong."""
    path = _container(build.built().disk)
    with open(path, "r+b") as f:
        f.seek(448)  # the checksum field of the first header
        byte = f.read(1)
        f.seek(448)
        f.write(bytes([byte[0] ^ 1]))
    before = env.sha256(path)
    env.run(["cryptsetup", "open", "--test-passphrase", "--key-file", build.PASSCODE_FILE, path], status=None)
    check(env.sha256(path) != before, "cryptsetup left a damaged header alone: the comparison of digests proves nothing")


def test_dm_crypt_reads_what_work_wrote():
    used = build.used()
    before = env.sha256(used.disk)
    files, partitions = oracle.read_work_disk(used.disk, build.passcode(), "oracle")
    check_equal(files.get("random"), used.files["work"], "SHA-256 of the work persona's file")
    check("minutes" in files, f"files of the work userdata: {sorted(files)}")
    check_equal(sorted(partitions), ["boot", "system", "userdata", "vbmeta"], "partitions of the work disk")
    check_equal(env.sha256(used.disk), before, "SHA-256 of the flash image after the guest read it")
