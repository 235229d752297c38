"""What a persona can reach. The personal persona is a bare-metal program that tries; the work persona is a Linux that must not notice."""
import os
import re

from kit import env, mini
from kit.cases import cases
from kit.env import check

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


@cases(**{cpu: (cpu,) for cpu in ("cortex-a53", "max")})
def test_probe(cpu):
    folder = env.fresh("isolation-" + cpu)
    probe = _guest(folder, "probe", f"-DPROBE_RAM_MIB={RAM_MIB}")
    disk = mini.disk("isolation-" + cpu, personal_kernel=probe, personal_memory=RAM_MIB, personal="network: none")
    with mini.Mini(disk, "isolation-" + cpu, smp=4, options=("--cpu", cpu)) as handset:
        handset.expect("personal", r"probe: waiting", 60)
        handset.unlock()
        handset.work_ready()
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
