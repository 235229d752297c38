"""The work persona's container on a flash image, as cryptsetup sees it."""
import base64
import ctypes
import ctypes.util
import hmac
import json
import os
import re
import subprocess

from . import env, gpt
from .env import check, check_equal

UNIT = 4096  # bytes that are encrypted together
KEYS_LEN = 16 << 20  # what lies in front of the payload


def copy(disk, name="container"):
    """The work partition in a file of its own: cryptsetup wants the payload, too."""
    part = gpt.read(disk)["work"]
    path = os.path.join(env.fresh(name), "work.img")
    env.copy_range(disk, part.at, part.length, path)
    return path


def _cryptsetup(*arguments, secret=b""):
    return subprocess.run([env.program("cryptsetup"), *arguments], input=secret, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def is_luks(path):
    return _cryptsetup("isLuks", path).returncode == 0


def opens(path, secret):
    done = _cryptsetup("open", "--test-passphrase", "--disable-locks", "--key-file", "-", path, secret=secret)
    # 2: no key slot takes it. Whatever else went wrong is not what was asked.
    check(done.returncode in (0, 2) or not is_luks(path), f"cryptsetup cannot try a secret: {done.stderr.decode()}")
    return done.returncode == 0


def volume_key(path, secret):
    done = _cryptsetup("luksDump", "--dump-volume-key", "-q", "--disable-locks", "--key-file", "-", path, secret=secret)
    words = re.search(r"MK dump:\s*((?:[0-9a-f]{2}\s+)+)", done.stdout.decode())
    check(words, f"cryptsetup shows no volume key: {done.stderr.decode()}")
    key = bytes.fromhex("".join(words[1].split()))
    check_equal(len(key), 64, "length of the volume key")
    return key


def uuid(path):
    return env.run(["cryptsetup", "luksUUID", path]).stdout.strip()


def bound_secret(device_key, path, passcode):
    """What a passcode becomes on the device with this key (vmm/include/mvp/identity.h)."""
    key = hmac.digest(device_key, b"mvp passcode 1", "sha256")
    return hmac.digest(key, uuid(path).encode() + passcode, "sha256").hex().encode()


def recovery_key(path, escrow_key):
    """Out of the envelope in the container's metadata, by who has the escrow key."""
    done = _cryptsetup("token", "export", "--disable-locks", "--token-id", "1", path)
    check(done.returncode == 0, f"the container has no second token: {done.stderr.decode()}")
    token = json.loads(done.stdout)
    check_equal((token["type"], token["keyslots"]), ("mvp-recovery", ["1"]), "the token of the recovery key")
    opened = subprocess.run([env.program("openssl"), "cms", "-decrypt", "-inform", "DER", "-inkey", escrow_key],
                            input=base64.b64decode(token["escrow"]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(opened.returncode == 0, f"openssl does not open the envelope: {opened.stderr.decode()}")
    return opened.stdout


def write(disk, key, at, data):
    """Puts whole data units into the payload of the container on a flash image, `at` counted from the payload's start. AES-XTS is
    libcrypto's; the tweak counts sectors of 512 bytes (LUKS2 On-Disk Format Specification 1.1.4, section 3.3)."""
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_xts"):
        getattr(crypto, name).restype = ctypes.c_void_p
    context, cipher = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new()), ctypes.c_void_p(crypto.EVP_aes_256_xts())
    out, length = ctypes.create_string_buffer(UNIT), ctypes.c_int()
    check(at % UNIT == 0 and len(data) % UNIT == 0, "part of a data unit")
    with open(disk, "r+b") as f:
        f.seek(gpt.read(disk)["work"].at + KEYS_LEN + at)
        for done in range(0, len(data), UNIT):
            tweak = ((at + done) // gpt.SECTOR).to_bytes(16, "little")
            good = crypto.EVP_EncryptInit_ex(context, cipher, None, key, tweak) == 1 and crypto.EVP_EncryptUpdate(
                context, out, ctypes.byref(length), data[done:done + UNIT], UNIT) == 1
            check(good and length.value == UNIT, "libcrypto does not encrypt")
            f.write(out.raw)
    crypto.EVP_CIPHER_CTX_free(context)
