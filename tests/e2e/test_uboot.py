"""The whole chain, as on a phone: a bootloader that we did not write is flashed into by a client that we did not write, verifies our boot
image and starts it, and both systems come up from the storage that it shares with them. U-Boot is built by scripts/uboot."""
import glob
import hashlib
import os
import re
import socket
import struct
import zlib

from kit import build, env, gpt, mini, ota
from kit.env import check, run, wait_until
from kit.flat import FLAT_AT, Guest
from kit.handset import Console

UBOOT = os.environ.get("UBOOT", os.path.join(env.O, "uboot", "u-boot.bin"))
PROMPT = r"^=> "
FLASH_LEN = 2 << 30  # what the board's description says
LOAD = 0x50000000


def free_port():
    """A UDP port of this machine that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Board(Console):
    """The reference handset with an SD card, started by U-Boot."""

    def __init__(self, card, log, uboot=UBOOT):
        self.port = free_port()
        machine = "virt,virtualization=on,gic-version=3,highmem=off"
        command = ["qemu-system-aarch64", "-machine", machine, "-cpu", "cortex-a72", "-smp", "2", "-m", "2048M", "-display", "none",
                   "-nodefaults", "-global", "virtio-mmio.force-legacy=false", "-device", "ramfb", "-bios", uboot,
                   "-drive", f"if=none,id=flash,format=raw,file={card}", "-device", "sdhci-pci", "-device", "sd-card,drive=flash",
                   "-device", "virtio-rng-device", "-netdev", f"user,id=net,hostfwd=udp:127.0.0.1:{self.port}-:5554",
                   "-device", "virtio-net-device,netdev=net", "-serial", "stdio"]
        super().__init__(command, os.path.join(env.WORK, "log", log + ".log"), False)

    def prompt(self):
        """Stops the countdown."""
        self.expect("", r"Hit any key", 120)
        self.write(b"\n")
        self.expect("", PROMPT, 30)

    def command(self, text, timeout=60):
        """What it printed."""
        at = self.seen[""]
        self.write(text.encode() + b"\n")
        end = self.expect("", PROMPT, timeout)
        return self.text[""][at:end.start()]

    def good(self, text, timeout=60):
        """The same of a command that must go well. The marks are quoted apart, so that the echo does not match."""
        said = self.command(f"if {text}; then echo we''ll; else echo ba''d; fi", timeout)
        check(re.search("^well", said, re.M), f"U-Boot: '{text}' failed:\n{said}")
        return said

    def fastboot(self, *words, timeout=300):
        return run(["fastboot", "-s", f"udp:127.0.0.1:{self.port}", *words], timeout=timeout)


BARE = """mvp: 1
name: bare
version: '{version}'
board: qemu-virt-emmc
oem: [{oem}]
keys: {{{keys}}}
hypervisor: {{console: prefixed, good-after: 1 second}}
personas:
  personal: {{memory: 32 MiB, cpus: 2, network: none, boot: {{kernel: "file:{kernel}", initrd: none}}}}
  work:
    memory: 32 MiB
    cpus: 2
    network: none
    boot: {{kernel: "file:{kernel}", initrd: none}}
    encryption: {{passcode: {{file: keys/passcode, tries: 10, iterations: 1000}}}}
"""


def _bare(folder):
    """The manifest, as a format, of a handset whose systems are bare-metal programs: a megabyte instead of a hundred."""
    kernel = Guest(folder, "guest", FLAT_AT, 1000).flat()
    mini.take_keys(folder)
    with open(os.path.join(folder, "keys/passcode"), "w", encoding="utf-8") as f:
        f.write(mini.PASSCODE)
    return lambda version, oem, keys: BARE.format(kernel=kernel, version=version, oem=oem, keys=keys)


def _build(folder, manifest, out, *options):
    """The files that the build made, by the packer."""
    with open(os.path.join(folder, "bare.yaml"), "w", encoding="utf-8") as f:
        f.write(manifest)
    out = os.path.join(folder, out)
    run([env.MVPCTL, "build", "-q", "-o", out, *options, os.path.join(folder, "bare.yaml")])
    return {kind: glob.glob(os.path.join(out, pattern))[0] for kind, pattern in
            (("disk", "*.img"), ("fastboot", "*-factory-*.zip"), ("ota", "*-ota-*.zip")) if glob.glob(os.path.join(out, pattern))}


def _start(board, ready, boot="boot", good=""):
    """From the prompt to both systems; good: the slot that must have been marked by then."""
    # PCI is looked at when somebody asks for it.
    board.good("pci enum; mmc list; mmc dev 0")
    board.good(f"part start mmc 0 {boot} first; part size mmc 0 {boot} count")
    board.good(f"mmc read 0x{LOAD:x} $first $count; abootimg addr 0x{LOAD:x}")
    board.write(f"bootm 0x{LOAD:x} - $fdtcontroladdr\n".encode())
    board.expect("", r"^mvp\| work: locked", 120)
    board.expect("", rf"^personal\| {ready['personal']}", 240)
    board.write(f"mvp|unlock {mini.PASSCODE}\n".encode())
    board.expect("", rf"^work\| {ready['work']}", 240)
    if good:  # which may be said before work is up
        wait_until(lambda: board.said("", rf"^mvp\| slot {good} is good"), 60, "the slot is good")
    board.write(b"mvp|poweroff\n")
    check(board.wait(60) == 0, "the handset's power-off is not a clean end")


def test_boots_what_fastboot_flashed():
    folder = env.fresh("uboot-flash")
    card, table = os.path.join(folder, "card.img"), os.path.join(folder, "gpt.img")
    made = _build(folder, _bare(folder)("1", "uboot", "master: keys/master.key"), "out")
    disk, package = made["disk"], made["fastboot"]
    with open(card, "wb") as f:
        f.truncate(FLASH_LEN)
    env.copy_range(disk, 0, 34 * gpt.SECTOR, table)
    with Board(card, "uboot-flash") as board:
        board.prompt()
        board.good("pci enum; mmc list; mmc dev 0")
        board.good("setenv autoload no; dhcp", 60)
        board.write(b"fastboot udp\n")
        board.expect("", "Listening for fastboot", 30)
        board.fastboot("flash", "gpt", table)
        images = build.zip_images(package, os.path.join(folder, "zip"))
        check({"boot", "personal", "work"} <= set(images), f"the factory zip holds {sorted(images)}")
        for name, image in images.items():
            board.fastboot("flash", name, image)
        board.fastboot("reboot")
        board.prompt()
        board.good("pci enum; mmc list; mmc dev 0")
        listed = board.good("part list mmc 0")
        for name in gpt.read(disk):
            check(f'"{name}"' in listed, f"U-Boot does not list the partition {name}:\n{listed}")
        _start(board, dict.fromkeys(("personal", "work"), "flat: waiting for a line"))
    # Byte for byte what the build put on the disk.
    for name, part in gpt.read(disk).items():
        if name in images:
            flashed, built = (env.sha256(path, part.at, part.length) for path in (card, disk))
            check(flashed == built, f"the partition {name} is not as it was built")
    os.unlink(card)
    return 5


def test_boots_two_linuxes():
    disk = mini.disk("uboot", board="qemu-virt-emmc", oem="uboot")
    with Board(disk, "uboot-linux") as board:
        board.prompt()
        _start(board, {"personal": "personal:/# ", "work": "work:/# "})
    os.unlink(disk)
    return 2


AB = """oem: 1
name: ab
bundles: [disk, ota]
storage: {type: emmc}
slots: 2
boot-header: 2
signing: avb
partitions:
  - {name: boot, content: boot, size: 8 MiB, slots: yes}
  - {name: vbmeta, content: vbmeta, size: 1 MiB, slots: yes}
  - {name: misc, size: 1 MiB}
"""
TESTKEY = "7728e30f50bfa5cea165f473175a08803f6a8346642b5aa10913e9d9e6defef6"  # SHA-256 of AOSP's testkey_rsa4096 as a key blob
BLOB_LEN = 1032
MISC_AT = 2048
GOOD = 0x80


def _uboot_trusting(vbmeta, path):
    """U-Boot with the key of this vbmeta image in place of the one that is built into it."""
    key_at, key_len = struct.unpack_from(">QQ", vbmeta, 64)
    aux = 256 + struct.unpack_from(">Q", vbmeta, 12)[0]
    blob = vbmeta[aux + key_at:aux + key_at + key_len]
    check(len(blob) == BLOB_LEN, "the maker's key has not 4096 bits")
    with open(UBOOT, "rb") as f:
        program = f.read()
    at = program.find(b"\x00\x00\x10\x00")
    while at >= 0 and hashlib.sha256(program[at:at + BLOB_LEN]).hexdigest() != TESTKEY:
        at = program.find(b"\x00\x00\x10\x00", at + 1)
    check(at >= 0, "U-Boot has no key built in")
    with open(path, "wb") as f:
        f.write(program[:at] + blob + program[at + BLOB_LEN:])
    return path


def _slots(current, a, b):
    """bootloader_control: (priority, tries, successful) of each slot."""
    words = [priority | tries << 4 | (GOOD if successful else 0) for priority, tries, successful in (a, b)]
    record = struct.pack("<4sIBBHHHHH8x", b"_" + current.encode(), 0x42414342, 1, 2, 0, *words, 0, 0)
    return record + struct.pack("<I", zlib.crc32(record))


def _read(path, part, length):
    with open(path, "rb") as f:
        f.seek(part.at)
        return f.read(length)


def _write(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def _boot_chosen(board, slot):
    """What a bootloader's script does: choose, verify, start."""
    board.prompt()
    board.good("pci enum; mmc list; mmc dev 0; avb init 0")
    board.good("bcb ab_select slot mmc 0#misc")
    if "refused" in board.command("avb verify _$slot || echo ref''used"):
        board.good("bcb ab_select slot mmc 0#misc")
        board.good("avb verify _$slot")
    check(re.search(f"^slot={slot}", board.command("printenv slot"), re.M), f"U-Boot has not chosen slot {slot}")
    _start(board, dict.fromkeys(("personal", "work"), "flat: waiting for a line"), "boot_$slot", slot if slot == "b" else "")


def test_an_update_boots_and_a_broken_one_falls_back():
    folder = env.fresh("uboot-ota")
    manifest = _bare(folder)
    keys = "master: keys/master.key, oem: keys/oem.pem, enterprise: keys/enterprise.pem"
    with open(os.path.join(folder, "ab.yaml"), "w", encoding="utf-8") as f:
        f.write(AB)
    old = _build(folder, manifest("1", "ab.yaml", keys), "old")
    new = _build(folder, manifest("2", "ab.yaml", keys), "new", "--ota-from", old["ota"])
    card = old["disk"]
    parts = gpt.read(card)
    misc = parts["misc"].at + MISC_AT
    vbmeta = _read(card, parts["vbmeta_a"], 65536)
    uboot = _uboot_trusting(vbmeta, os.path.join(folder, "u-boot.bin"))
    run(["openssl", "rsa", "-in", os.path.join(folder, "keys/oem.pem"), "-pubout", "-out", os.path.join(folder, "oem.pub")])
    for made in old["disk"], old["ota"], new["ota"]:
        run([env.MVPCTL, "verify", "--key", os.path.join(folder, "oem.pub"), made])

    # The update goes into the slot that does not run, from what the other one holds.
    payload = ota.check_package(new["ota"])
    check(payload.minor == 4, "the update is a full one")
    images = payload.apply(lambda name, length: _read(card, parts[name + "_a"], length))
    check(set(images) == {"boot", "vbmeta"}, f"the update is of {sorted(images)}")
    for name, image in images.items():
        check(image != _read(card, parts[name + "_a"], len(image)), f"{name} is the same in both versions")
        _write(card, parts[name + "_b"].at, image)
    _write(card, misc, _slots("a", (14, 7, True), (15, 7, False)))
    with Board(card, "uboot-ota-new", uboot) as board:
        _boot_chosen(board, "b")
        check(re.search(r"^mvp\| bare 2", board.text[""], re.M), "the new version does not run")
    check(_slots("b", (14, 7, True), (15, 1, True)) == _read(card, gpt.Part("", misc, 32, None), 32), "the record of the slots is another")

    # One that does not arrive whole is not started, and costs nothing but its tries.
    _write(card, parts["boot_b"].at + 40000, b"\xff\x00\xff\x00")
    _write(card, misc, _slots("b", (14, 7, True), (15, 1, False)))
    with Board(card, "uboot-ota-broken", uboot) as board:
        _boot_chosen(board, "a")
        check(re.search(r"^mvp\| bare 1", board.text[""], re.M), "the old version does not run")
    os.unlink(card)
    return 7
