"""The physical memory of a handset in QEMU, taken through its machine protocol and searched; and the round keys of AES, which is the form
that keys have in memory."""
import os

from . import env

RAM = 0x40000000  # of QEMU's virt board
PIECE = 0x10000
ZEROS = bytes(PIECE)


class Memory:
    """What is in memory now, without the pieces that are zero."""

    def __init__(self, qmp):
        path = os.path.join(env.fresh("memory"), "ram")
        qmp.ask("pmemsave", val=RAM, size=qmp.ask("query-memory-size-summary")["base-memory"], filename=path)
        self.runs = []  # (address, bytes)
        run, at = [], RAM
        with open(path, "rb") as f:
            while piece := f.read(PIECE):
                if piece != ZEROS[:len(piece)]:
                    run.append(piece)
                elif run:
                    self._end(run, at)
                at += len(piece)
        self._end(run, at)
        os.unlink(path)

    def _end(self, run, end):
        data = b"".join(run)
        if data:
            self.runs.append((end - len(data), data))
        run.clear()

    def find(self, needle):
        """Addresses of the needle, which is not zeros."""
        found = []
        for address, data in self.runs:
            at = data.find(needle)
            while at >= 0:
                found.append(address + at)
                at = data.find(needle, at + 1)
        return found

    def used(self, address, length):
        """Bytes of these that are in pieces with something in them."""
        return sum(max(0, min(at + len(data), address + length) - max(at, address)) for at, data in self.runs)


def _times2(x):
    return x << 1 ^ (0x11b if x & 0x80 else 0)


def _sbox():
    """FIPS 197, 5.1.1: the inverse in GF(2^8), then an affine map; by walking through the powers of 3 and of its inverse."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= _times2(p)
        for shift in (1, 2, 4):
            q ^= q << shift
        q &= 0xff
        if q & 0x80:
            q ^= 9
        box[p] = q ^ 0x63
        for shift in range(1, 5):
            box[p] ^= (q << shift | q >> 8 - shift) & 0xff
        if p == 1:
            return box


SBOX = _sbox()


def round_keys(key):
    """The 15 round keys of AES-256 (FIPS 197, 5.2), 16 bytes each."""
    words = [key[i:i + 4] for i in range(0, 32, 4)]
    constant = 1
    while len(words) < 60:
        w = words[-1]
        if len(words) % 8 == 0:
            w = bytes(SBOX[b] for b in w[1:] + w[:1])
            w = bytes([w[0] ^ constant]) + w[1:]
            constant = _times2(constant)
        elif len(words) % 8 == 4:
            w = bytes(SBOX[b] for b in w)
        words.append(bytes(a ^ b for a, b in zip(words[-8], w)))
    return [b"".join(words[i:i + 4]) for i in range(0, 60, 4)]
