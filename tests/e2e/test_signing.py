"""Keys that are elsewhere: what is to be signed goes there in files, signatures come back, and the image is the one that a build with the
keys at hand makes."""
import os
import shutil

from kit import env, gpt, mini
from kit.env import check, check_equal, run

TOKEN = "/usr/lib/softhsm/libsofthsm2.so"


def _with_keys(image, signer):
    """The folder of a manifest like the image's, whose signing keys are what signer(name, the folder's keys) writes of them."""
    where = env.fresh("signing")
    keys = os.path.join(where, "keys")
    os.mkdir(keys)
    for name in ("master.key", "passcode", "orders.pub", "escrow.crt"):
        shutil.copy(os.path.join(mini.keys_folder(image), name), keys)
    with open(os.path.join(os.path.dirname(os.path.dirname(image)), "mini.yaml"), encoding="utf-8") as f:
        text = f.read()
    for name in ("oem", "enterprise"):
        check(text.count(f"keys/{name}.pem") == 1, f"the manifest has other keys than expected:\n{text}")
        text = text.replace(f"keys/{name}.pem", signer(name, keys))
    with open(os.path.join(where, "mini.yaml"), "w", encoding="utf-8") as f:
        f.write(text)
    return where


def _same(image, out):
    """The image in the folder has what the one that was signed by files has, the names of its partitions apart."""
    built, = (os.path.join(out, name) for name in os.listdir(out) if name.endswith(".img"))
    direct, signed = gpt.read(image), gpt.read(built)
    check_equal(list(signed), list(direct), "partitions")
    for name, part in direct.items():
        check_equal(env.sha256(built, signed[name].at, signed[name].length), env.sha256(image, part.at, part.length), f"partition {name}")


def _public_half(image):
    def signer(name, keys):
        run(["openssl", "pkey", "-in", os.path.join(mini.keys_folder(image), name + ".pem"), "-pubout", "-out", f"{keys}/{name}.pub"])
        return f"{{public: keys/{name}.pub}}"
    return signer


def test_signatures_from_elsewhere():
    image = mini.signed()
    where = _with_keys(image, _public_half(image))
    manifest, signatures, out = (os.path.join(where, name) for name in ("mini.yaml", "signatures", "out"))
    attach = [env.MVPCTL, "sign", "--attach", "--format=disk", "--signatures", signatures, "-o", out, manifest]

    done = run(attach, status=7)
    check("MVP0635" in done.stderr and not os.path.exists(out), f"built without signatures: {done.stderr}")
    run([env.MVPCTL, "sign", "--prepare", "--format=disk", "--signatures", signatures, manifest])
    asked = sorted(name[:-4] for name in os.listdir(signatures) if name.endswith(".tbs"))
    check_equal(asked, ["vbmeta", "vbmeta-personal", "vbmeta-work"], "what is to be signed")
    wanted = sorted(f"{name}.{end}" for name in asked for end in ("padded", "pub", "tbs"))
    check_equal(sorted(os.listdir(signatures)), wanted, "files of requests")
    for name in asked:
        key = os.path.join(mini.keys_folder(image), "enterprise.pem" if name == "vbmeta-work" else "oem.pem")
        public = run(["openssl", "pkey", "-in", key, "-pubout"]).stdout
        with open(os.path.join(signatures, name + ".pub"), encoding="utf-8") as f:
            check_equal(f.read(), public, f"the key that {name} asks for")
        run(["openssl", "dgst", "-sha256", "-sign", key, "-out", f"{signatures}/{name}.sig", f"{signatures}/{name}.tbs"])

    # A signature of something else.
    shutil.copy(f"{signatures}/vbmeta.sig", where)
    shutil.copy(f"{signatures}/vbmeta-personal.sig", f"{signatures}/vbmeta.sig")
    done = run(attach, status=7)
    check("MVP0634" in done.stderr, f"another image's signature was not refused: {done.stderr}")
    shutil.copy(f"{where}/vbmeta.sig", signatures)

    run(attach)
    _same(image, out)
    return 3


def test_signatures_of_a_token():
    """Keys that never leave a PKCS #11 token."""
    image = mini.signed()
    home = env.fresh("token")
    os.mkdir(os.path.join(home, "tokens"))
    with open(os.path.join(home, "softhsm2.conf"), "w", encoding="utf-8") as f:
        f.write(f"directories.tokendir = {home}/tokens\n")
    with open(os.path.join(home, "pin"), "w", encoding="utf-8") as f:
        f.write("4321\n")
    there = dict(os.environ, SOFTHSM2_CONF=os.path.join(home, "softhsm2.conf"))
    run(["softhsm2-util", "--init-token", "--free", "--label", "acme", "--so-pin", "1234", "--pin", "4321"], env=there)

    def signer(name, _):
        run(["softhsm2-util", "--import", os.path.join(mini.keys_folder(image), name + ".pem"), "--token", "acme", "--label", name, "--id",
             "01" if name == "oem" else "02", "--pin", "4321"], env=there)
        return f'{{file: "pkcs11:token=acme;object={name}?module-path={TOKEN}", passphrase: "file:{home}/pin"}}'

    where = _with_keys(image, signer)
    build = [env.MVPCTL, "build", "-q", "--format=disk", "-o", os.path.join(where, "out"), os.path.join(where, "mini.yaml")]
    run(build, env=there)
    _same(image, os.path.join(where, "out"))
    shutil.rmtree(os.path.join(where, "out"))
    with open(os.path.join(home, "pin"), "w", encoding="utf-8") as f:
        f.write("1111\n")
    done = run(build, env=there, status=7)
    check("MVP0632" in done.stderr and not os.path.exists(os.path.join(where, "out")), f"a token with a wrong PIN: {done.stderr}")
    return 2
