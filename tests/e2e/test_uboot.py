"""The whole chain, as on a phone: a bootloader that we did not write is flashed into by a client that we did not write, verifies our boot
image and starts it, and both systems come up from the storage that it shares with them. U-Boot is built by scripts/uboot."""
import glob
import os
import re
import socket

from kit import build, env, gpt, mini
from kit.env import check, run
from kit.handset import Console
from test_kernels import FLAT_AT, Guest

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
version: '1'
board: qemu-virt-emmc
oem: [uboot]
keys: {{master: keys/master.key}}
hypervisor: {{console: prefixed}}
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
    """(disk, factory zip) of a handset whose systems are bare-metal programs: a megabyte instead of a hundred goes through fastboot."""
    kernel = Guest(folder, "guest", FLAT_AT, 1000).flat()
    run([env.MVPCTL, "-q", "keys", "init", os.path.join(folder, "keys")])
    for name, text in (("keys/passcode", mini.PASSCODE), ("bare.yaml", BARE.format(kernel=kernel))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    out = os.path.join(folder, "out")
    run([env.MVPCTL, "build", "-q", "-o", out, os.path.join(folder, "bare.yaml")])
    return [glob.glob(os.path.join(out, pattern))[0] for pattern in ("*.img", "*-factory-*.zip")]


def _start(board, ready):
    """From the prompt to both systems."""
    # PCI is looked at when somebody asks for it.
    board.good("pci enum; mmc list; mmc dev 0")
    board.good("part start mmc 0 boot first; part size mmc 0 boot count")
    board.good(f"mmc read 0x{LOAD:x} $first $count; abootimg addr 0x{LOAD:x}")
    board.write(f"bootm 0x{LOAD:x} - $fdtcontroladdr\n".encode())
    board.expect("", r"^mvp\| work: locked", 120)
    board.expect("", rf"^personal\| {ready['personal']}", 240)
    board.write(f"mvp|unlock {mini.PASSCODE}\n".encode())
    board.expect("", rf"^work\| {ready['work']}", 240)
    board.write(b"mvp|poweroff\n")
    check(board.wait(60) == 0, "the handset's power-off is not a clean end")


def test_boots_what_fastboot_flashed():
    folder = env.fresh("uboot-flash")
    card, table = os.path.join(folder, "card.img"), os.path.join(folder, "gpt.img")
    disk, package = _bare(folder)
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
