"""The handset boots two systems at once; the work side only after its passcode; what they write is there after a reboot."""
import os
import re
import time

from kit import build, env, mini
from kit.cases import cases
from kit.env import check, check_equal
from kit.handset import Handset

def _named(*machines):
    return {f"{cpu}, {smp} CPUs": (cpu, smp) for cpu, smp in machines}


# The whole story on one of them, a short one of smaller systems on the others. (Most other tests run on two cortex-a72.)
MACHINES = _named(("cortex-a72", 4))
OTHERS = _named(("cortex-a53", 2), ("cortex-a53", 4), ("cortex-a76", 2), ("neoverse-n1", 2), ("max", 2))


def _memory_kib(handset, persona):
    return int(re.search(r"^MemTotal: +(\d+) kB", handset.sh(persona, "cat /proc/meminfo"), re.M)[1])


def _work_stays_shut(handset):
    """Silent before its passcode; a wrong one is refused and the personal side goes on."""
    check(handset.silent("work"), "work printed something before it was unlocked")
    handset.send("mvp", "unlock 0000")
    handset.expect("mvp", r"wrong passcode", 60)
    check_equal(handset.sh("personal", "echo still here").strip(), "still here", "personal after a wrong passcode")
    handset.send("mvp", "status")
    handset.expect("mvp", r"status work locked", 10)
    check(handset.silent("work"), "work printed something after a wrong passcode")


def _are_two_machines(handset):
    for persona in ("personal", "work"):
        check_equal(handset.sh(persona, "nproc").split()[-1], "2", f"{persona}: CPUs")
        check_equal(handset.sh(persona, "cat /etc/hostname").split()[-1], persona, "/etc/hostname")
        memory = _memory_kib(handset, persona)
        check(400 << 10 < memory < 512 << 10, f"{persona} has {memory} KiB of memory; its manifest says 512 MiB")
        mounts = handset.sh(persona, "cat /proc/mounts")
        verified = re.search(r"^/dev/dm-\d+ / ext4 ro[ ,]", mounts, re.M)
        check(verified, f"{persona}: the system is not a verified, read-only ext4:\n{mounts}")
        check(re.search(r"^/dev/vda\d+ /data ext4 rw[ ,]", mounts, re.M), f"{persona}: userdata is not mounted:\n{mounts}")
        model = handset.sh(persona, "tr -d '\\0' </proc/device-tree/model; echo").split()[-1]
        check_equal(model, persona, f"{persona}: the machine it finds itself on")
    # Two boots of two kernels, whatever their versions: a kernel makes up its boot id once.
    personal, work = (handset.sh(p, "cat /proc/sys/kernel/random/boot_id").split()[-1] for p in ("personal", "work"))
    check(personal != work, f"both sides are the boot {work}")
    check("busybox" in handset.sh("personal", "readlink -f /bin/sh"), "personal: its shell is not busybox")
    check("busybox" not in handset.sh("work", "readlink -f /bin/sh"), "work: its shell is busybox")
    # Each on its own memory: what one has in its RAM disk the other does not see.
    handset.sh("personal", "echo mine >/tmp/only-here")
    handset.sh("work", "test ! -e /tmp/only-here")


def _run_at_once(handset):
    """Both count in the background; each must get on while the other does too."""
    counter = "(n=0; while :; do n=$((n+1)); [ $((n % 500)) = 0 ] && echo $n >/tmp/count.new && mv /tmp/count.new /tmp/count; done) & echo started"
    for persona in ("personal", "work"):
        handset.sh(persona, counter)

    def counts():
        return {p: int(handset.sh(p, "cat /tmp/count 2>/dev/null || echo 0").split()[-1]) for p in ("personal", "work")}
    env.wait_until(lambda: all(counts().values()), 60, "both count")
    before = counts()
    time.sleep(3)
    after = counts()
    for persona in before:
        check(after[persona] > before[persona], f"{persona} stood still while both counted: {before} -> {after}")
    for persona in ("personal", "work"):
        handset.sh(persona, "kill $!")


@cases(**MACHINES)
def test_boot(cpu, smp):
    name = f"first-light-{cpu}-{smp}"
    disk = os.path.join(env.fresh(name), "flash.img")
    env.copy_sparse(build.built().disk, disk)
    with Handset(disk, name + "-1", cpu=cpu, smp=smp) as handset:
        handset.personal_ready()
        _work_stays_shut(handset)
        handset.unlock(build.passcode().decode())
        _are_two_machines(handset)
        _run_at_once(handset)
        digests = {p: build.write_random_file(handset, p, "keep") for p in ("personal", "work")}
        check(digests["personal"] != digests["work"], "two random files are equal")
        handset.power_off()
    with Handset(disk, name + "-2", cpu=cpu, smp=smp) as handset:
        handset.personal_ready()
        handset.send("mvp", "status")
        handset.expect("mvp", r"status work locked", 10)
        handset.unlock(build.passcode().decode())
        for persona, digest in digests.items():
            check_equal(build.digest_in(handset, persona, "keep"), digest, f"{persona}'s file after a power cycle")
        # One persona's power-off is its own affair.
        handset.send("work", "poweroff")
        handset.expect("mvp", r"work: off", 60)
        check_equal(handset.sh("personal", "echo still here").strip(), "still here", "personal after work's power-off")
        handset.power_off()
    os.unlink(disk)


DATA = "mkdir -p /data && mount -t ext4 /dev/userdata /data"


def _resets(handset, digest):
    """A reset of the board, and the personal side's own: what it wrote stays, and its own is its own affair."""
    for act, said in ((lambda: handset.send("mvp", "reset"), "personal: started"),
                      (lambda: handset.send("personal", "sync; reboot -f"), "personal: restarts")):
        handset.skip("mvp")
        act()
        handset.expect("mvp", said, 60)
        handset.skip("personal")
        handset.personal_ready()
        handset.sh("personal", DATA)
        check_equal(build.digest_in(handset, "personal", "keep"), digest, f"personal's file after '{said}'")
        if said == "personal: started":
            handset.unlock()
            handset.work_ready()
    handset.sh("work", "echo undisturbed")


@cases(**OTHERS)
def test_short(cpu, smp):
    """Both systems run at once, and their disks keep what they write, also where the CPUs have other features."""
    name = f"first-light-{cpu}-{smp}"
    disk = os.path.join(env.fresh(name), "flash.img")
    env.copy_sparse(mini.built(), disk)
    with mini.Mini(disk, name, smp=smp, options=("--cpu", cpu)) as handset:
        handset.both_ready()
        digests = {}
        for persona in ("personal", "work"):
            check_equal(handset.sh(persona, "nproc").split()[-1], "2", f"{persona}: CPUs")
            handset.sh(persona, DATA)
            digests[persona] = build.write_random_file(handset, persona, "keep")
        # Read from the disk, not from memory.
        for persona, digest in digests.items():
            handset.sh(persona, "echo 3 >/proc/sys/vm/drop_caches")
            check_equal(build.digest_in(handset, persona, "keep"), digest, f"{persona}'s file, read again")
        if smp == 4:
            _resets(handset, digests["personal"])
    os.unlink(disk)


def test_switch_key():
    """On the console that people use, the switch key changes who is in front, and a passcode is not echoed."""
    disk = os.path.join(env.fresh("mux"), "flash.img")
    env.copy_sparse(build.built("mux").disk, disk)
    with Handset(disk, "mux", prefixed=False) as handset:
        handset.expect("", r"personal:/# ", 120)
        handset.write(b"\x1d")
        handset.expect("", r"\[mvp\] work is locked\. Passcode: ", 20)
        handset.write(b"1111\n")
        handset.expect("", r"wrong passcode", 60)
        handset.expect("", r"Passcode: ", 20)
        handset.write(build.passcode() + b"\n")
        handset.expect("", r"work:/# ", 120)
        check(not handset.said("", "1111") and not handset.said("", build.passcode().decode()), "the passcode was echoed")
        check_equal(handset.sh("", "cat /etc/hostname").split()[-1], "work", "in front after the passcode")
        handset.write(b"\x1d")
        handset.expect("", r"\[mvp\] personal", 20)
        check_equal(handset.sh("", "cat /etc/hostname").split()[-1], "personal", "in front after the switch key")
        handset.write(b"\x1d")
        handset.expect("", r"\[mvp\] work", 20)
        check_equal(handset.sh("", "cat /etc/hostname").split()[-1], "work", "in front after the second switch")
    os.unlink(disk)
