"""Android's images, written from the description of their formats (AOSP: bootimg.h, metadata_format.h of liblp, dt_table.h): what the
program reads was not written by it."""
import hashlib
import struct

PAGE = 4096
SECTOR = 512


def _padded(data, unit=PAGE):
    return data + bytes(-len(data) % unit)


def boot_v4(kernel=b"", ramdisk=b"", cmdline="", os_version=0):
    """boot.img, or with no kernel init_boot.img."""
    header = struct.pack("<8sIIII16xI1536sI", b"ANDROID!", len(kernel), len(ramdisk), os_version, 1584, 4, cmdline.encode(), 0)
    return _padded(header) + _padded(kernel) + _padded(ramdisk)


def vendor_boot_v4(ramdisks, cmdline="", dtb=b"", bootconfig=b"", page=PAGE):
    """ramdisks: [(type, name, bytes)]; types 1 platform, 2 recovery, 3 dlkm."""
    section = b"".join(data for _, _, data in ramdisks)
    table, at = b"", 0
    for kind, name, data in ramdisks:
        table += struct.pack("<III32s64x", len(data), at, kind, name.encode())
        at += len(data)
    header = struct.pack("<8sIIIII2048sI16sIIQIIII", b"VNDRBOOT", 4, page, 0x10008000, 0x11000000, len(section), cmdline.encode(),
                         0x10000100, b"", 2128, len(dtb), 0x11f00000, len(table), len(ramdisks), 108, len(bootconfig))
    return b"".join(_padded(part, page) for part in (header, section, dtb, table, bootconfig))


def bootconfig_trailer(ramdisk, bootconfig):
    """What a bootloader puts behind the ramdisks: the padding to 4 bytes counts as configuration."""
    padding = bytes(-(len(ramdisk) + len(bootconfig)) % 4)
    text = bootconfig + padding
    return text + struct.pack("<II", len(text), sum(text) & 0xffffffff) + b"#BOOTCONFIG\n"


def dtbo(trees):
    entries, at = b"", 32 + 32 * len(trees)
    for number, tree in enumerate(trees):
        entries += struct.pack(">IIII4I", len(tree), at, number, 0, 0, 0, 0, 0)
        at += len(tree)
    return struct.pack(">8I", 0xd7b7ab1e, at, 32, 32, len(trees), 32, 2048, 0) + entries + b"".join(trees)


def _summed(data, at):
    return data[:at] + hashlib.sha256(data[:at] + bytes(32) + data[at + 32:]).digest() + data[at + 32:]


def super_image(partitions, size, alignment=1 << 20, metadata_max=65536, slots=2, pieces=1):
    """partitions: [(name, bytes)]. pieces: extents that each is cut into; they are laid out last piece first, with a zero extent of one MiB
    behind the first partition's data."""
    first = -(-(PAGE + (2 * PAGE + metadata_max * slots * 2)) // alignment) * alignment
    body, at = {}, first
    table, extents, count = b"", b"", 0
    for index, (name, data) in enumerate(partitions):
        data = _padded(data)
        step = -(-len(data) // pieces // PAGE) * PAGE if data else 0
        cut = [data[i:i + step] for i in range(0, len(data), step)] if data else []
        places = []
        for piece in reversed(cut):
            places.insert(0, at)
            body[at] = piece
            at = -(-(at + len(piece)) // alignment) * alignment
        entries = [struct.pack("<QIQI", len(p) // SECTOR, 0, place // SECTOR, 0) for p, place in zip(cut, places)]
        if index == 0 and cut:
            entries.append(struct.pack("<QIQI", (1 << 20) // SECTOR, 1, 0, 0))
        table += struct.pack("<36sIIII", name.encode(), 1, count, len(entries), 0)
        extents += b"".join(entries)
        count += len(entries)
    groups = struct.pack("<36sIQ", b"default", 0, 0)
    devices = struct.pack("<QIIQ36sI", first // SECTOR, alignment, 0, size, b"super", 0)
    tables, descriptors = b"", b""
    for data, length in ((table, 52), (extents, 24), (groups, 48), (devices, 64)):
        descriptors += struct.pack("<III", len(tables), len(data) // length, length)
        tables += data
    header = struct.pack("<IHHI32xI32s", 0x414c5030, 10, 0, 128, len(tables), hashlib.sha256(tables).digest()) + descriptors
    metadata = _padded(_summed(header, 12) + tables, metadata_max)
    geometry = _padded(_summed(struct.pack("<II32xIII", 0x616c4467, 52, metadata_max, slots, PAGE), 8))
    image = bytearray(size)
    image[PAGE:3 * PAGE] = geometry * 2
    image[3 * PAGE:3 * PAGE + 2 * slots * metadata_max] = metadata * (2 * slots)
    for place, piece in body.items():
        image[place:place + len(piece)] = piece
    return bytes(image)
