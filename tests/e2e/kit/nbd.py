"""A disk for QEMU whose power can be cut: a server of the network block device protocol (doc/proto.md of the NBD project) over a file.

What was written and not flushed is in the disk's cache: when the power goes, any of it may be lost. A cut comes instead of the n-th
operation on the watched ranges: a write of which only the first sectors were done, or none of it, or a flush that did not come.

All that is written is recorded, and can be taken back: from one recording the disk of any cut is made."""
import os
import random
import shutil
import socket
import struct
import threading

from . import env
from .env import check

READ, WRITE, DISCONNECT, FLUSH, TRIM, ZEROES = 0, 1, 2, 3, 4, 6
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
ACK, REP_INFO, ERR_UNSUPPORTED = 1, 3, 0x80000001
TRANSMISSION = 1 | 4 | 32 | 64  # flags, flush, trim, write zeroes
OPTION, OPTION_REPLY, REQUEST, REPLY = 0x49484156454f5054, 0x3e889045565a9, 0x25609513, 0x67446698
SECTOR = 512

SHIM = """#!/bin/sh
for a; do
	shift
	case $a in if=none,id=flash,*) a=if=none,id=flash,format=raw,discard=unmap,file=nbd+unix:///?socket={socket} ;; esac
	set -- "$@" "$a"
done
exec {qemu} "$@"
"""


class Disk:
    """Serves one image, to one QEMU. environment: with it, `mvpctl run IMAGE` has this disk."""

    def __init__(self, path, watched):
        self.path, self.watched = path, watched  # [(at, length)]
        self.operations, self.cut_at, self.torn = 0, None, 0
        self.cut = threading.Event()
        self.log = []  # (at, new) of each write, None for a flush, in their order, from the start
        self.marks = {}  # index in the log of each watched operation since arm(): what `mark` said then
        self.before = []  # (at, old) of each write, for put_back()
        self._mark = None
        self._cache = []  # (at, old, new) in the order of writing
        self._file = os.open(path, os.O_RDWR)
        self._folder = env.short_folder()
        address = os.path.join(self._folder, "s")
        shim = os.path.join(self._folder, "qemu-system-aarch64")
        with open(shim, "w", encoding="utf-8") as f:
            f.write(SHIM.format(socket=address, qemu=env.program("qemu-system-aarch64")))
        os.chmod(shim, 0o755)
        self.environment = dict(os.environ, PATH=self._folder + ":" + os.environ["PATH"])
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(1)
        self.wrong = None
        threading.Thread(target=self._serve, daemon=True).start()

    def arm(self, operations, torn=0, mark=lambda: None):
        """The power goes instead of the watched operation after so many; torn: sectors of it that are written if it is a write."""
        self.operations, self.torn, self._mark = 0, torn, mark
        self.cut_at = operations

    def settle(self, keeps):
        """After a cut: what of the cache reached the disk. True, False, or a random.Random that decides for each write."""
        check(self.cut.is_set(), "the disk's power was not cut")
        for at, old, _ in reversed(self._cache):
            os.pwrite(self._file, old, at)
        for at, _, new in self._cache:
            if keeps is True or (isinstance(keeps, random.Random) and keeps.random() < 0.5):
                os.pwrite(self._file, new, at)
        self._cache.clear()

    def close(self):
        self._listener.close()
        os.close(self._file)
        shutil.rmtree(self._folder, ignore_errors=True)
        check(self.wrong is None, f"the disk server failed: {self.wrong!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The protocol

    def _take(self, length):
        data = b""
        while len(data) < length:
            piece = self._peer.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def _serve(self):
        try:
            self._peer, _ = self._listener.accept()
            with self._peer:
                self._negotiate()
                while self._request():
                    pass
                while self._peer.recv(1 << 16):  # without power nothing is answered, an error neither
                    pass
        except (EOFError, ConnectionError):
            pass
        except Exception as e:
            self.wrong = e

    def _export(self):
        return struct.pack(">QH", os.fstat(self._file).st_size, TRANSMISSION)

    def _answer_option(self, option, kind, data=b""):
        self._peer.sendall(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data)) + data)

    def _negotiate(self):
        self._peer.sendall(struct.pack(">QQH", int.from_bytes(b"NBDMAGIC", "big"), OPTION, 3))
        self._take(4)
        while True:
            magic, option, length = struct.unpack(">QII", self._take(16))
            check(magic == OPTION, "not an option")
            self._take(length)
            if option == EXPORT_NAME:
                self._peer.sendall(self._export())
                return
            if option == ABORT:
                raise EOFError
            if option not in (INFO, GO):
                self._answer_option(option, ERR_UNSUPPORTED)
                continue
            self._answer_option(option, REP_INFO, b"\0\0" + self._export())
            self._answer_option(option, ACK)
            if option == GO:
                return

    def _request(self):
        magic, _, kind, handle, at, length = struct.unpack(">IHHQQI", self._take(28))
        check(magic == REQUEST, "not a request")
        data = self._take(length) if kind == WRITE else b""
        if kind == DISCONNECT:
            return False
        if kind == READ:
            data = os.pread(self._file, length, at)
        elif not self._change(kind, at, length, data):
            return False
        self._peer.sendall(struct.pack(">IIQ", REPLY, 0, handle) + (data if kind == READ else b""))
        return True

    def _is_watched(self, kind, at, length):
        """A flush if it makes something durable that is watched."""
        if kind == FLUSH:
            return any(self._is_watched(WRITE, at, len(new)) for at, _, new in self._cache)
        return any(at < start + size and start < at + length for start, size in self.watched)

    def _change(self, kind, at, length, data):
        """False: the power is gone."""
        if kind in (TRIM, ZEROES):
            data = bytes(length)
        if self._is_watched(kind, at, length):
            if self.operations == self.cut_at:
                if kind == WRITE and self.torn:
                    data = data[:self.torn * SECTOR]
                    self._cache.append((at, os.pread(self._file, len(data), at), data))
                    os.pwrite(self._file, data, at)
                self.cut.set()
                return False
            self.operations += 1
            if self._mark:
                self.marks[len(self.log)] = self._mark()
        self.log.append(None if kind == FLUSH else (at, data))
        if kind == FLUSH:
            self._cache.clear()
            return True
        old = os.pread(self._file, length, at)
        self._cache.append((at, old, data))
        self.before.append((at, old))
        os.pwrite(self._file, data, at)
        return True


def cut(path, log, point, chance):
    """Makes of the disk before the log one whose power went instead of its operation `point`: what was flushed before is there; of
    what was not, and of a write at that point, chance (a random.Random) says which sectors, and where in the last of them it was torn.
    Returns (at, old) of what it wrote, for put_back()."""
    flushed = max((i for i in range(point) if log[i] is None), default=-1)
    before = []
    file = os.open(path, os.O_RDWR)

    def put(at, data):
        before.append((at, os.pread(file, len(data), at)))
        os.pwrite(file, data, at)

    for i in range(point + 1):
        if log[i] is None:
            continue
        at, data = log[i]
        if i <= flushed:
            put(at, data)
        elif i == point:
            torn = chance.choice((0, chance.randrange(len(data) + 1), chance.randrange(min(len(data), SECTOR) + 1), len(data)))
            put(at, data[:torn])
        else:
            how = chance.randrange(3)
            for sector in range(0, len(data), SECTOR) if how == 2 else ():
                if chance.random() < 0.5:
                    put(at + sector, data[sector:sector + SECTOR])
            if how == 1:
                put(at, data)
    os.close(file)
    return before


def put_back(path, before):
    """Everything as it was before these writes."""
    file = os.open(path, os.O_RDWR)
    for at, old in reversed(before):
        os.pwrite(file, old, at)
    os.close(file)
