# The handset switches itself off: the film has each different picture once and the last one is the screenshot's.
PATH=$PWD/fake:$PATH
export FAKE=off
fake/disk.py disk.img
mvpctl run --headless --screenshot a.png --record film.png disk.img
python3 - <<'X'
import struct
import zlib


def chunks(path):
    data, at = open(path, "rb").read(), 8
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        body = data[at + 4:at + 8 + length]
        assert zlib.crc32(body) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], "a chunk is damaged"
        yield body[:4].decode(), body[4:]
        at += 12 + length


film = list(chunks("film.png"))
print(" ".join(kind for kind, _ in film))
print("frames", struct.unpack(">II", dict(film)["acTL"]))
last = zlib.decompress([data[4:] for kind, data in film if kind == "fdAT"][-1])
print("the last frame is the screenshot:", last == zlib.decompress(dict(chunks("a.png"))["IDAT"]), "pixel", last[1])
X
