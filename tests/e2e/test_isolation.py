"""What a persona can reach. The personal persona is a bare-metal program that tries; the work persona is a Linux that must not notice."""
import os
import re

from kit import build, env
from kit.cases import cases
from kit.env import check
from kit.handset import Handset

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
GUESTS = os.path.join(env.ROOT, "tests", "e2e", "guests")
FLAGS = ["-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-mgeneral-regs-only", "-mstrict-align", "-Wall", "-Wextra", "-Werror",
         "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]
RAM_MIB = 64


def _guest(folder, name, *defines):
    """Compiles tests/e2e/guests/NAME.c to an arm64 Image."""
    elf, image = os.path.join(folder, name + ".elf"), os.path.join(folder, name)
    env.run([CROSS + "gcc", *FLAGS, *defines, "-T", os.path.join(GUESTS, "guest.ld"), "-o", elf, os.path.join(GUESTS, "start.S"),
             os.path.join(GUESTS, name + ".c")])
    env.run([CROSS + "objcopy", "-O", "binary", elf, image])
    return image


def _manifest(cpu, kernel):
    """The demo with a bare-metal personal persona: a kernel and nothing else."""
    with open(build.manifest(), encoding="utf-8") as f:
        text = f.read()
    lines = text.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("  personal:"))
    last = next(i for i in range(first + 1, len(lines)) if re.match(r"  \S.*work|  work:|  # Your employer", lines[i]))
    bare = f"  personal:\n    memory: {RAM_MIB} MiB\n    cpus: 2\n    boot: {{kernel: \"file:{kernel}\", initrd: none}}\n    network: none\n\n"
    path = os.path.join(env.DEMO, f"isolation-{cpu}.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(lines[:first]) + bare + "".join(lines[last:]))
    return path


@cases(**{cpu: (cpu,) for cpu in ("cortex-a53", "max")})
def test_probe(cpu):
    folder = env.fresh("isolation-" + cpu)
    path = _manifest(cpu, _guest(folder, "probe", f"-DPROBE_RAM_MIB={RAM_MIB}"))
    out = os.path.join(folder, "out")
    env.run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, path])
    os.unlink(path)
    disk = next(os.path.join(out, n) for n in os.listdir(out) if n.endswith(".img"))
    with Handset(disk, "isolation-" + cpu, cpu=cpu, smp=4) as handset:
        handset.expect("personal", r"probe: waiting", 60)
        handset.unlock(build.passcode().decode())
        handset.send("personal", "go")
        done = handset.expect("personal", r"probe: (\d+) passed, (\d+) failed", 120)
        refused = re.findall(r"^not ok - .*$", handset.text["personal"], re.M)
        check(done[2] == "0" and not refused, "a bare-metal persona reaches what it must not:\n" + "\n".join(refused))
        check(int(done[1]) >= 70, f"the probe made only {done[1]} checks")
        handset.expect("mvp", r"personal: off", 30)
        handset.sh("work", "echo undisturbed")
        check(not handset.said("personal", r"went on after"), "the probe went on after it was off")
    os.unlink(disk)
    return int(done[1])
