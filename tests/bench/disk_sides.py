"""The machines whose disks are compared: Debian's kernel with linux/disk.c as its first process, as the personal and as the work persona of
the handset, and on bare QEMU, there by itself and with dm-crypt. The same bytes in a file on a tmpfs, the same options for it, two CPUs."""
import array
import functools
import os
import re
import shutil
import tempfile

import exit_profile
import sides
from kit import env, gpt
from kit.env import check, run

MODULES = ("virtio_mmio", "virtio_blk", "dm_mod", "dm_crypt", "xts", "aes_generic", "aes_ce_blk")
PASSCODE = "2580"
TMPFS, TMPFS_NEEDS = "/dev/shm", 1 << 30
SIZES = {"4k": 4096, "64k": 65536, "1m": 1 << 20}
DEPTHS = (1, 16)
JOBS = tuple(f"{kind}-{order}-{size}-{depth}"
             for size in SIZES for depth in DEPTHS for order in ("seq", "random") for kind in ("read", "write"))
# Our side and what it is compared with.
PAIRS = {"plain": ("personal", "native"), "encrypted": ("work", "dm-crypt")}
# Idle time passes as on the host, since it is the host that the disk keeps waiting.
COUNTED = ["-icount", "shift=0,sleep=on", *sides.TURNS]
FREQUENCY = 62500000  # of the virtual counter, QEMU's
BOOT_S = 120
MANIFEST = """mvp: 1
name: bench-disk
version: 1.0.0
board: qemu-virt
oem: [generic]
keys: {{master: keys/master.key}}
hypervisor: {{console: prefixed}}
personas:
  personal:{persona}
  work:{persona}
    encryption:
      passcode: {{file: keys/passcode, tries: 10}}
"""
PERSONA = """
    memory: {memory} MiB
    cpus: {cpus}
    boot: {{kernel: "file:{kernel}", initrd: "file:{initrd}", cmdline: "quiet nokaslr"}}
    userdata: {{size: 160 MiB}}
    network: none"""


def title(job):
    kind, order, size, depth = job.split("-")
    return f"{kind} {'in order' if order == 'seq' else 'at random'}, {size.replace('k', ' KiB').replace('m', ' MiB')}, {depth} in flight"


@functools.cache
def initrd():
    """linux/disk.c and the modules it needs."""
    out = sides.folder("guest", "disk")
    root, tree = os.path.join(out, "root"), sides.linux_tree()
    for name in ("modules", "proc", "sys", "dev"):
        os.makedirs(os.path.join(root, name))
    run([sides.CROSS + "gcc", *sides.LINUX_FLAGS, "-o", os.path.join(root, "init"), os.path.join(sides.HERE, "linux", "disk.c")])
    release = os.path.basename(sides.linux_kernel()).removeprefix("vmlinuz-")
    run(["depmod", "-b", tree, release])
    needed = []
    for module in MODULES:
        shown = run(["modprobe", "-d", tree, "-S", release, "--show-depends", module]).stdout
        needed += [path for path in re.findall(r"^insmod (\S+)", shown, re.M) if path not in needed]
    for path in needed:
        shutil.copy(path, os.path.join(root, "modules"))
    with open(os.path.join(root, "modules", "list"), "w", encoding="utf-8") as f:
        f.writelines(f"/modules/{os.path.basename(path)}\n" for path in needed)
    archive = os.path.join(out, "initrd")
    sides.pack(root, archive)
    return archive


class Disks:
    """A handset's flash image with the guest in both personas, and the plain persona's disk by itself. On a tmpfs if there is one."""

    def __init__(self):
        free = shutil.disk_usage(TMPFS).free if os.access(TMPFS, os.W_OK) else 0
        self.where = tempfile.mkdtemp(prefix="mvp-bench-", dir=TMPFS if free > TMPFS_NEEDS else sides.folder("disk"))
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self):
        at = self.where
        run([env.MVPCTL, "-q", "keys", "init", os.path.join(at, "keys")])
        with open(os.path.join(at, "keys", "passcode"), "w", encoding="utf-8") as f:
            f.write(PASSCODE)
        with open(os.path.join(at, "disk.yaml"), "w", encoding="utf-8") as f:
            persona = PERSONA.format(memory=sides.MEMORY_MIB, cpus=sides.CPUS, kernel=sides.linux_kernel(), initrd=initrd())
            f.write(MANIFEST.format(persona=persona))
        self.symbols_at = os.path.join(at, "symbols")
        os.makedirs(self.symbols_at)
        run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", os.path.join(at, "out"), os.path.join(at, "disk.yaml")],
            env=dict(os.environ, MVP_CROSS=exit_profile.tools(self.symbols_at)))
        name, = (name for name in os.listdir(os.path.join(at, "out")) if name.endswith(".img"))
        self.flash, self.plain = os.path.join(at, "out", name), os.path.join(at, "plain.img")
        part = gpt.read(self.flash)["personal"]
        env.copy_range(self.flash, part.at, part.length, self.plain)

    def remove(self):
        shutil.rmtree(self.where, ignore_errors=True)


def _console(name, command, prefixed):
    return sides.Console(command, os.path.join(sides.WORK, "log", f"disk-{name}.log"), prefixed)


def _jobs(console, source, how, requests, repeats, timeout):
    """[(job, ticks, requests)] as they were done."""
    at = len(console.text[source])
    console.send(source, f"run {how} {requests} {repeats}")
    console.expect(source, r"^bench: (done|failed)", timeout)
    text = console.text[source][at:]
    check("bench: failed" not in text, f"the guest failed:\n{text[-1500:]}")
    found = [(job, int(t), int(n)) for job, t, n in re.findall(r"^bench: (\S+-\d+) (\d+) (\d+)$", text, re.M)]
    check([job for job, _, _ in found[::repeats]] == list(JOBS), f"the guest did not do all jobs:\n{text[-1500:]}")
    return found


def handset(disks, name, qemu, requests, repeats, timeout):
    """{"personal": jobs, "work": jobs}: one after the other, the other locked or off."""
    words = [f"--qemu-arg={word}" for word in qemu]
    command = [env.MVPCTL, "run", "--headless", "--cpu", sides.CPU, "--smp", str(sides.CPUS), *words, disks.flash]
    with _console(name, command, True) as console:
        console.expect("personal", "bench: ready", BOOT_S)
        found = {"personal": _jobs(console, "personal", "direct", requests, repeats, timeout)}
        console.send("mvp", f"unlock {PASSCODE}")
        console.expect("work", "bench: ready", BOOT_S)
        console.send("personal", "off")
        console.expect("mvp", "personal: off", BOOT_S)
        found["work"] = _jobs(console, "work", "direct", requests, repeats, timeout)
    return found


def native(disks, name, qemu, how, requests, repeats, timeout):
    """Jobs of bare QEMU."""
    command = [env.program("qemu-system-aarch64"), "-M", "virt,gic-version=3", "-cpu", sides.CPU, "-smp", str(sides.CPUS),
               "-m", f"{sides.MEMORY_MIB}M", "-display", "none", "-nodefaults", "-serial", "stdio",
               "-global", "virtio-mmio.force-legacy=false", "-kernel", sides.linux_kernel(), "-initrd", initrd(),
               "-append", f"{sides.CONSOLE} quiet nokaslr",
               "-drive", f"if=none,id=flash,format=raw,cache=writeback,discard=unmap,file={disks.plain}",
               "-device", "virtio-blk-device,drive=flash", *qemu]
    with _console(name, command, False) as console:
        console.expect("", "bench: ready", BOOT_S)
        return _jobs(console, "", how, requests, repeats, timeout)


class Count:
    """Instructions of one job: of the guest's programs, its kernel, the core and the vault, and by function of the last two."""

    def __init__(self, user, kernel, core, vault, functions):
        self.parts = {"user": user, "kernel": kernel, "core": core, "vault": vault}
        self.functions = functions

    def total(self):
        return sum(self.parts.values())


class Counter:
    """QEMU's plugin that counts (plugin/count.c), and what it wrote."""

    def __init__(self, disks, name, with_handset):
        self.path = os.path.join(disks.where, name + ".count")
        library = os.path.join(sides.folder("plugin"), "count.so")
        run(["gcc", "-O2", "-std=c17", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-o", library,
             os.path.join(sides.HERE, "plugin", "count.c")])
        self.ranges = []
        if with_handset:
            for part in ("core", "vault"):
                symbols = exit_profile.symbols(os.path.join(disks.symbols_at, part + ".elf"))
                self.ranges.append((symbols[0][0] & ~0xfff, (symbols[-1][0] | 0xfff) + 1, symbols))
        options = ",".join([f"file={library},out={self.path}", *(f"range={start:x}-{end:x}" for start, end, _ in self.ranges)])
        self.qemu = ["-plugin", options, *COUNTED]

    def _functions(self, words, at, symbols):
        found, index = {}, 0
        for i, n in enumerate(words):
            while index + 1 < len(symbols) and symbols[index + 1][0] <= at + 4 * i:
                index += 1
            if n:
                name = symbols[index][1].split(".")[0]
                found[name] = found.get(name, 0) + n
        return found

    def read(self):
        """[Count] of the jobs: what is between each mark and the next."""
        words = array.array("Q")
        with open(self.path, "rb") as f:
            words.frombytes(f.read())
        length = 2 + sum((end - start) // 4 for start, end, _ in self.ranges)
        marks = [words[i:i + length] for i in range(0, len(words), length)]
        check(len(words) % length == 0 and len(marks) % 2 == 0, "the count is not one of whole jobs")
        return [self._count([b - a for a, b in zip(first, last)]) for first, last in zip(marks[::2], marks[1::2])]

    def _count(self, words):
        at, sums, functions = 2, [], {}
        for (start, end, symbols), part in zip(self.ranges, ("core", "vault")):
            mine = words[at:at + (end - start) // 4]
            at += len(mine)
            sums.append(sum(mine))
            functions.update({f"{part} {name}": n for name, n in self._functions(mine, start, symbols).items()})
        return Count(words[0], words[1], *(sums or (0, 0)), functions)
