"""Reading GUID partition tables, written from UEFI 2.10 section 5.3 and independent of imagegen/gpt."""
import struct
import zlib

from .env import check

SECTOR = 512


class Part:
    def __init__(self, name, at, length, guid):
        self.name, self.at, self.length, self.guid = name, at, length, guid


def _header(f, lba, path):
    f.seek(lba * SECTOR)
    raw = f.read(SECTOR)
    check(raw[:8] == b"EFI PART", f"{path}: no partition table at sector {lba}")
    (size, crc) = struct.unpack_from("<II", raw, 12)
    check(92 <= size <= SECTOR, f"{path}: table header of {size} bytes")
    check(zlib.crc32(raw[:16] + b"\0\0\0\0" + raw[20:size]) == crc, f"{path}: wrong CRC of the table header at sector {lba}")
    mine, other, first, last = struct.unpack_from("<QQQQ", raw, 24)
    check(mine == lba, f"{path}: the table header at sector {lba} says it is at {mine}")
    entries_lba, count, entry_size, entries_crc = struct.unpack_from("<QIII", raw, 72)
    check(entry_size == 128 and count <= 128, f"{path}: {count} entries of {entry_size} bytes")
    f.seek(entries_lba * SECTOR)
    entries = f.read(count * entry_size)
    check(zlib.crc32(entries) == entries_crc, f"{path}: wrong CRC of the partition entries of the header at sector {lba}")
    return other, first, last, entries


def read(path, at=0):
    """Partitions by name of the disk image that starts at byte `at` of the file. Both copies of the table must be there and agree."""
    with open(path, "rb") as whole:
        f = _Window(whole, at)
        other, first, last, entries = _header(f, 1, path)
        back, _, _, entries_backup = _header(f, other, path)
        check(back == 1, f"{path}: the backup table points at sector {back}")
        check(entries == entries_backup, f"{path}: the two copies of the partition entries differ")
    parts = {}
    for i in range(0, len(entries), 128):
        kind, guid, start, end, _, name = struct.unpack_from("<16s16sQQQ72s", entries, i)
        if kind == bytes(16):
            continue
        name = name.decode("utf-16-le").split("\0")[0]
        check(first <= start <= end <= last, f"{path}: partition '{name}' lies outside the usable sectors")
        check(name not in parts, f"{path}: two partitions are named '{name}'")
        parts[name] = Part(name, at + start * SECTOR, (end - start + 1) * SECTOR, guid)
    return parts


class _Window:
    def __init__(self, f, at):
        self.f, self.at = f, at

    def seek(self, pos):
        self.f.seek(self.at + pos)

    def read(self, length):
        return self.f.read(length)
