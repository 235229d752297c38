"""Update packages, read and applied by what formats say and nothing of ours: zip, protocol buffers by hand, xz.

ota.py PACKAGE MINOR_VERSION OLD OUT writes what the package makes of partitions into OUT/NAME.img, from OLD/NAME.img if it is not a full one,
and what is signed with its signatures into OUT/metadata.tbs, .sig and OUT/payload.tbs, .sig. Anything that is not as it should be is an
error."""
import base64
import hashlib
import lzma
import os
import struct
import sys
import zipfile

BLOCK = 4096
REPLACE, SOURCE_COPY, ZERO, REPLACE_XZ = 0, 4, 6, 8
META = "META-INF/com/android/"


def want(condition, text):
    if not condition:
        raise AssertionError(text)


def sha256(data):
    return hashlib.sha256(data).digest()


def wire(data):
    """The fields of a message: lists of numbers and bytes by field number."""
    at, out = 0, {}

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        elif tag & 7 == 2:
            length = number()
            value = data[at:at + length]
            want(len(value) == length, "a field is cut off")
            at += length
        else:
            want(tag & 7 == 5, f"wire type of {tag}")
            value = data[at:at + 4]
            at += 4
        out.setdefault(tag >> 3, []).append(value)
    return out


class Payload:
    def __init__(self, data):
        magic, version, size, self.signature_len = struct.unpack_from(">4sQQI", data)
        want((magic, version) == (b"CrAU", 2), "no payload of version 2")
        self.data = data
        self.metadata = data[:24 + size]
        self.metadata_signature = data[24 + size:24 + size + self.signature_len]
        self.blobs = data[24 + size + self.signature_len:]
        self.manifest = wire(self.metadata[24:])
        want(self.manifest[3] == [BLOCK], "size of blocks")
        self.minor = self.manifest[12][0]
        self.end = self.manifest.get(4, [len(self.blobs)])[0]

    def signatures(self):
        """{what: (what is signed, signature)}"""
        want(self.end + self.manifest[5][0] == len(self.blobs), "the signature is not the payload's end")
        pairs = {"metadata": (self.metadata, self.metadata_signature),
                 "payload": (self.metadata + self.blobs[:self.end], self.blobs[self.end:])}
        for what, (data, message) in pairs.items():
            signature = wire(wire(message)[1][0])
            want(signature[3] == [struct.pack("<I", len(signature[2][0]))], "unpadded size")
            pairs[what] = (data, signature[2][0])
        return pairs

    def apply(self, old):
        """{name: image}; old(name, length) is the image from before."""
        images, self.next = {}, 0
        for part in map(wire, self.manifest[13]):
            name = part[1][0].decode()
            images[name] = self._part(name, part, old)
        want(self.next == self.end, "data that nothing uses")
        return images

    def _part(self, name, part, old):
        info = wire(part[7][0])
        length, written = info[1][0], set()
        image = bytearray(length)
        before = None
        if 6 in part:
            was = wire(part[6][0])
            before = old(name, was[1][0])
            want(was[2] == [sha256(before)], f"{name}: not what the update was made from")
        for op in map(wire, part[8]):
            at = self._extents(op, 6)
            data = self._data(op, before, sum(n for _, n in at))
            for start, n in at:
                image[start:start + n], data = data[:n], data[n:]
                blocks = set(range(start, start + n, BLOCK))
                want(not blocks & written, f"{name}: a block is written twice")
                written |= blocks
        want(len(written) * BLOCK == length and sha256(image) == info[2][0], f"{name}: not the digest of the manifest")
        return bytes(image)

    @staticmethod
    def _extents(op, field):
        return [(wire(e)[1][0] * BLOCK, wire(e)[2][0] * BLOCK) for e in op.get(field, [])]

    def _data(self, op, before, room):
        kind = op[1][0]
        want(room <= 2 << 20, "an operation writes more than 2 MiB")
        if kind in (REPLACE, REPLACE_XZ):
            want(op[2] == [self.next], "blobs with gaps")
            data = self.blobs[self.next:self.next + op[3][0]]
            self.next += op[3][0]
            want(sha256(data) == op[8][0], "digest of data")
            if kind == REPLACE_XZ:
                want(data[7] == 1, "the check of xz is not CRC-32")
                data = lzma.decompress(data, lzma.FORMAT_XZ)
        elif kind == SOURCE_COPY:
            data = b"".join(before[at:at + n] for at, n in self._extents(op, 4))
            want(sha256(data) == op[9][0], "digest of the source")
        else:
            want(kind == ZERO and self.minor != 0, f"operation {kind}")
            data = bytes(room)
        want(len(data) == room, "an operation does not fill its blocks")
        return data


def check_package(path):
    """The payload of a package whose parts say the same of each other."""
    z = zipfile.ZipFile(path)
    payload = Payload(z.read("payload.bin"))
    properties = dict(line.split("=", 1) for line in z.read("payload_properties.txt").decode().splitlines())
    for name, data in (("FILE", payload.data), ("METADATA", payload.metadata)):
        want(base64.b64decode(properties[name + "_HASH"]) == sha256(data) and int(properties[name + "_SIZE"]) == len(data), name)
    with open(path, "rb") as f:
        raw = f.read()
    keys = dict(line.split("=", 1) for line in z.read(META + "metadata").decode().splitlines())
    want(list(keys) == sorted(keys) and keys["ota-type"] == "AB", f"metadata {keys}")
    front = payload.data[:len(payload.metadata) + payload.signature_len]
    for key in "ota-property-files", "ota-streaming-property-files":
        for place in keys[key].strip().split(","):
            name, at, length = place.split(":")
            got = raw[int(at):int(at) + int(length)]
            want(got == (front if name == "payload_metadata.bin" else z.read((META if name.startswith("metadata") else "") + name)), place)
    proto = wire(z.read(META + "metadata.pb"))
    files = {wire(f)[1][0].decode(): wire(f)[2][0].decode() for f in proto[4]}
    want(proto[1] == [1] and files == {k: v for k, v in keys.items() if k.endswith("-files")}, "metadata.pb")
    want(wire(proto[6][0])[3] == [keys["post-build-incremental"].encode()], "metadata.pb")
    return payload


def main(package, minor, old, out):
    payload = check_package(package)
    want(payload.minor == int(minor), f"minor version {payload.minor}")

    def before(name, length):
        with open(os.path.join(old, name + ".img"), "rb") as f:
            data = f.read()
        want(len(data) == length, f"{name} had {length} bytes")
        return data

    for name, image in payload.apply(before).items():
        with open(os.path.join(out, name + ".img"), "wb") as f:
            f.write(image)
    for what, (data, signature) in payload.signatures().items():
        for ending, content in ((".tbs", data), (".sig", signature)):
            with open(os.path.join(out, what + ending), "wb") as f:
                f.write(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
