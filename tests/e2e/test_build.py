"""A build is reproducible, needs no privilege, fits its budget, and leaves nothing half-made behind."""
import glob
import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import time

from kit import build, env, gpt
from kit.env import check, check_equal, run

NOBODY = 65534
TEMP = ".mvp-tmp."
DISK_FULL = "No space left on device"


def _kernel(path):
    """What a build takes for a kernel: the header of an arm64 Image (booting.rst of Linux), and 8 MiB that do not compress."""
    size = 8 << 20
    with open(path, "wb") as f:
        f.write(struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, 0, size, 2, 0, 0, 0, b"ARM\x64", 0))
        f.write(random.Random(1).randbytes(size - 64))
    return path


def _small(folder, variant="", oem="generic"):
    """A manifest whose build takes seconds: the personas' kernels as files, a busybox, no initial RAM disk. Returns its path."""
    kernel = _kernel(os.path.join(folder, "kernel"))
    for name in ("inputs", "personas", "keys"):
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(os.path.realpath(os.path.join(env.DEMO, name)), os.path.join(folder, name))
    persona = f"""
    memory: 128 MiB
    cpus: 1
    boot: {{kernel: "file:{kernel}", initrd: none, cmdline: "quiet{variant}"}}
    system: {{layers: [{{deb: [inputs/personal/busybox-static_*.deb]}}, {{dir: personas/personal}}]}}
    userdata: {{size: 16 MiB}}
    network: none"""
    path = os.path.join(folder, f"small{variant}.yaml")
    with open(path, "w") as f:
        f.write(f"""mvp: 1
name: small
version: 1.0
board: qemu-virt
oem: [{oem}]
keys: {{master: keys/master.key}}
hypervisor: {{console: prefixed}}
personas:
  personal:{persona}
  work:{persona}
    encryption: {{passcode: {{file: keys/demo.passcode}}}}
""")
    return path


def _outputs(folder):
    """{name: SHA-256} of everything that has a final name in the folder."""
    return {n: env.sha256(os.path.join(folder, n)) for n in sorted(os.listdir(folder)) if not n.startswith(TEMP)}


def test_same_bytes():
    """A build elsewhere, under another umask, time zone, locale, worker count and working folder, and with nothing in the cache, is byte
    for byte the first. (One by nobody is, too: below.)"""
    first = build.built()
    names = _outputs(first.folder)
    check(len(names) >= 2, f"outputs: {names}")
    folder, tmp = env.fresh("again", "out"), env.fresh("again", "tmp")
    build.build(folder, "prefixed", "-j", "7", cwd=tmp, preexec_fn=lambda: os.umask(0o077),
                env=dict(os.environ, TZ="Pacific/Kiritimati", LC_ALL="C", HOME=tmp, TMPDIR=tmp, XDG_CACHE_HOME=env.fresh("again", "cache")))
    check_equal(_outputs(folder), names, "outputs of the build with another umask, time zone and number of workers")
    check_equal(os.listdir(tmp), [], "left in TMPDIR")
    shutil.rmtree(os.path.dirname(folder))


def test_other_key_other_bytes():
    """The positive control of the test above, and of the keys: another master key changes the work partition from its salts to its end."""
    images = []
    for name in ("one-key", "other-key"):
        folder = env.fresh(name)
        run([env.MVPCTL, "keys", "init", os.path.join(folder, "keys")])
        shutil.copy(build.PASSCODE_FILE, os.path.join(folder, "keys"))
        out = os.path.join(folder, "out")
        run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, _small(folder)])
        images += [os.path.join(out, n) for n in os.listdir(out)]
    one, other = images
    a, b = gpt.read(one)["work"], gpt.read(other)["work"]
    check_equal(b.length, a.length, "size of the work partition")
    same = sampled = 0
    with open(one, "rb") as f, open(other, "rb") as g:
        for at in range(16 << 20, a.length - (1 << 20), 4096 * 16):
            f.seek(a.at + at)
            g.seek(b.at + at)
            same += f.read(4096) == g.read(4096)
            sampled += 1
    check(sampled > 100, f"only {sampled} sectors sampled")
    check(same == 0, f"{same} of the sampled sectors are the same under another master key")
    for image in images:
        shutil.rmtree(os.path.dirname(os.path.dirname(image)))


def test_needs_no_root():
    """As nobody, with an empty home and none of root's groups or capabilities."""
    folder = env.fresh("nobody")
    home, out = os.path.join(folder, "home"), os.path.join(folder, "out")
    keys = os.path.join(folder, "keys")
    for path in (home, out):
        os.mkdir(path)
    shutil.copytree(os.path.join(env.DEMO, "keys"), keys)
    for name in ("inputs", "personas"):
        os.symlink(os.path.realpath(os.path.join(env.DEMO, name)), os.path.join(folder, name))
    shutil.copy(build.manifest(), os.path.join(folder, "demo.yaml"))
    build.compiled_cache(os.path.join(home, ".cache"))
    command = [env.MVPCTL, "build", "-q", "-j", "1", "-o", out, os.path.join(folder, "demo.yaml")]
    if os.geteuid() == 0:
        for path, folders, files in os.walk(folder):
            for name in [path] + [os.path.join(path, n) for n in folders + files]:
                os.lchown(name, NOBODY, NOBODY)
        _let_pass(folder)
        command = [env.program("setpriv"), "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--bounding-set=-all",
                   "--inh-caps=-all", "--no-new-privs"] + command
    run(command, env={"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home}, cwd=home)
    check_equal(_outputs(out), _outputs(build.built().folder), "outputs of a build by nobody and of one by us")
    check_equal(os.listdir(home), [".cache"], "left in the home folder")
    shutil.rmtree(folder)


def _let_pass(path):
    """A user without rights must at least get to the folder; a checkout below a closed home cannot be tested by another user."""
    while path != "/":
        path = os.path.dirname(path)
        check(os.stat(path).st_mode & 0o001, f"nobody cannot enter {path}: put the checkout, or O=, elsewhere")


# What is sent, the exit status then, and when: parts of a whole build's time.
INTERRUPTS = ((signal.SIGINT, 130, (0.1, 0.5, 0.9)), (signal.SIGTERM, 130, (0.3,)), (signal.SIGKILL, -signal.SIGKILL, (0.2, 0.4, 0.7, 0.95)))


def test_interrupted():
    """At any moment: what was there before is untouched, nothing half-made has a name."""
    folder = env.fresh("interrupted")
    out, tmp = os.path.join(folder, "out"), os.path.join(folder, "tmp")
    os.mkdir(tmp)
    first, second = _small(folder), _small(folder, "-second")
    command = [env.MVPCTL, "build", "-q", "-o", out]
    environment = dict(os.environ, TMPDIR=tmp, XDG_CACHE_HOME=build.compiled_cache(os.path.join(folder, "cache")))
    run(command + [first], env=environment)
    # The second manifest makes other bytes, so that a file published too early would be seen.
    run(command + [second], env=environment)
    after = _outputs(out)
    _forget_images(folder)
    start = time.monotonic()
    run(command + [first], env=environment)
    whole = time.monotonic() - start
    before = _outputs(out)
    check(all(after[n] != before[n] for n in before), "the second manifest makes what the first does")
    for number, status, moments in INTERRUPTS:
        name, hit = signal.Signals(number).name, 0
        for moment in moments:
            _forget_images(folder)
            got = _interrupted(command + [second], whole * moment, number, environment)
            outputs = _outputs(out)
            published = [n for n in after if outputs.get(n) == after[n]]
            if got in (None, 0):
                check_equal(outputs, after, f"outputs of a build that ended before {name} at {moment} of it")
                run(command + [first], env=environment)
                continue
            if number == signal.SIGKILL and published:
                # While outputs get their names, one after the other, or behind that: nothing could take a name back. Each is whole.
                check_equal(outputs, {n: (after if n in published else before)[n] for n in after}, f"outputs after {name} at {moment} of it")
                run(command + [first], env=environment)
                continue
            hit += 1
            check_equal(got, status, f"exit status after {name} at {moment} of the build")
            check_equal(outputs, before, f"outputs after {name} at {moment} of the build")
            if number != signal.SIGKILL:
                check_equal([n for n in os.listdir(out) + os.listdir(tmp) if n.startswith(TEMP)], [], "temporary files left")
        check(2 * hit >= len(moments), f"only {hit} of {len(moments)} {name} came before the build had ended")
    # Whatever a killed run left is gone after the next one.
    run(command + [first], env=environment)
    check_equal(_outputs(out), before, "outputs after another build")
    check_equal([n for n in os.listdir(out) + os.listdir(tmp) if n.startswith(TEMP)], [], "temporary files left after another build")
    shutil.rmtree(folder)


def _forget_images(folder):
    """Of what a build would find made already only the hypervisor's objects stay: compiling is most of a small build, and it is not what
    could leave a half-made image."""
    cache = os.path.join(folder, "cache", "mvp")
    for kind in os.listdir(cache):
        if kind != "object":
            shutil.rmtree(os.path.join(cache, kind))


def _interrupted(command, seconds, number, environment):
    """The exit status after the signal; None if the program had ended before."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        process.wait(seconds)
        return None
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_dry_run():
    """What it says is what a build then does; it makes nothing itself."""
    folder = env.fresh("dry")
    out = os.path.join(folder, "out")
    manifest = _small(folder)
    environment = dict(os.environ, XDG_CACHE_HOME=build.compiled_cache(os.path.join(folder, "cache")))

    def plan():
        lines = run([env.MVPCTL, "build", "--json", "--dry-run", "-o", out, manifest], env=environment).stdout.splitlines()
        return next(e for e in map(json.loads, lines) if e["event"] == "plan")

    def made(event):
        return {s["name"]: s["made"] for s in event["steps"]}
    first = plan()
    check(not first["unchanged"] and not os.path.exists(out), f"before the first build: {first}")
    check_equal(made(first), {"hypervisor": True, "personal": True, "work": True}, "what is to be made first")
    time.sleep(0.1)  # younger inputs cannot be recognised
    text = run([env.MVPCTL, "build", "-o", out, manifest], env=environment).stderr
    check("MVP0835" not in text, f"a cache that is large enough: {text}")
    names = _outputs(out)
    after = plan()
    check(after["unchanged"], f"after the build: {after['why']}")
    check_equal({os.path.basename(o["path"]): o["sha256"] for o in after["outputs"]}, names, "outputs that stay")
    os.unlink(os.path.join(out, sorted(names)[0]))
    after = plan()
    check(not after["unchanged"] and sorted(names)[0] in after["why"], f"after an output is gone: {after['why']}")
    check_equal(made(after), {"hypervisor": False, "personal": False, "work": False}, "what is to be made when an output is gone")
    check(all(p["size"] for p in after["partitions"] if p["name"] in ("personal", "work", "boot")), f"sizes: {after['partitions']}")
    with open(os.path.join(folder, "kernel"), "ab") as f:
        f.write(b"x")
    after = plan()
    check("kernel" in after["why"], f"after an input has changed: {after['why']}")
    check_equal(made(after), {"hypervisor": False, "personal": True, "work": True}, "what is to be made when the kernel has changed")
    check(all("kernel" in s["why"] for s in after["steps"] if s["made"]), f"reasons: {after['steps']}")
    check_equal(sorted(os.listdir(out)), sorted(names)[1:], "the output folder after dry runs")
    text = run([env.MVPCTL, "build", "-o", out, manifest], env=dict(environment, MVP_CACHE_SIZE="1 MiB")).stderr
    check("MVP0835" in text and "'work'" in text and "MVP_CACHE_SIZE" in text, f"a partition that is too large for the cache: {text}")
    shutil.rmtree(folder)


RADIO = """oem: 1
name: radio
bundles: [disk]
partitions:
  - {name: modem, file: modem.bin, size: 1 MiB}
  - {name: sensors, file: sensors.bin, optional: yes, size: 1 MiB}
"""
MAKEFILE = """out/small-1.0.img: {manifest}
\t{mvpctl} build -q --depfile small.d -o out {manifest}
-include small.d
"""


def test_depfile():
    """By make: nothing is to be done after a build, and something is after a change of anything that the build had read."""
    folder = env.fresh("dep", "a $b #c")  # what make escapes
    # Copies: their times are set, and other tests build from the originals.
    for name in ("personas", "keys"):
        shutil.copytree(os.path.join(env.DEMO, name), os.path.join(folder, name), symlinks=True)
    os.makedirs(os.path.join(folder, "inputs", "personal"))
    package = shutil.copy(*glob.glob(os.path.join(env.DEMO, "inputs", "personal", "busybox-static_*.deb")),
                          os.path.join(folder, "inputs", "personal"))
    manifest = _small(folder, oem="./radio.yaml")
    for name, text in (("radio.yaml", RADIO), ("modem.bin", "modem"), ("makefile", MAKEFILE.format(
            manifest=os.path.basename(manifest), mvpctl=env.MVPCTL))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    environment = dict(os.environ, XDG_CACHE_HOME=build.compiled_cache(env.fresh("dep", "cache")))

    def make(*arguments):
        return subprocess.run([env.program("make"), "-s", *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def is_current():
        done = make("-q")
        check(done.returncode in (0, 1), f"make -q: {done.stdout}")
        return done.returncode == 0
    done = make()
    check_equal(done.returncode, 0, f"the first build: {done.stdout}")
    check(is_current(), "something is to be done after a build")
    # Of its own kernel, a package, a folder, a passcode, a profile and a partition's file, each by itself.
    for path in ("kernel", "modem.bin", "radio.yaml", "keys/demo.passcode", "personas/personal/etc/inittab", package):
        path = os.path.join(folder, path)
        before = os.stat(path)
        os.utime(path, (before.st_atime, time.time() + 60))
        current = is_current()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        check(not current, f"nothing is to be done after a change of {path}")
    check(is_current(), "something is to be done after every change was taken back")
    # One that is gone is the build's business, not make's; one that may be missing counts from the day it is there.
    os.unlink(os.path.join(folder, "modem.bin"))
    done = make()
    check(done.returncode != 0 and "No rule" not in done.stdout and "modem.bin" in done.stdout, f"a file is gone: {done.stdout}")
    for name in ("modem.bin", "sensors.bin"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write("here")
    check_equal(make().returncode, 0, "status of the build with all files")
    os.utime(os.path.join(folder, "sensors.bin"), (0, time.time() + 60))
    check(not is_current(), "nothing is to be done after a change of a file that may be missing")
    shutil.rmtree(os.path.dirname(folder))


def test_two_builds_into_one_folder():
    """At the same time, with one cache: both end well, and what is there is whole."""
    folder = env.fresh("two")
    out = os.path.join(folder, "out")
    command = [env.MVPCTL, "build", "-q", "-j", "1", "-o", out, _small(folder)]
    environment = dict(os.environ, XDG_CACHE_HOME=build.compiled_cache(os.path.join(folder, "cache")))
    run(command, env=environment)
    want = _outputs(out)
    _forget_images(folder)
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    both = [subprocess.Popen(command, env=environment, **quiet) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=300)
        check_equal(process.returncode, 0, f"exit status of one of two builds: {errors}")
    check_equal(_outputs(out), want, "outputs of two builds at once")
    check_equal([n for n in os.listdir(out) if n.startswith(TEMP)], [], "temporary files left")
    shutil.rmtree(folder)


def test_output_too_large():
    """A limit on the size of files stands for a full disk where none can be mounted: exit status 9, a diagnostic, nothing half-made."""
    folder = env.fresh("limited")
    out = os.path.join(folder, "out")

    def small():
        # The write must fail, not kill.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    done = run([env.MVPCTL, "build", "-q", "-o", out, _small(folder)], status=9, preexec_fn=small)
    check(re.search(r"MVP08\d\d", done.stderr) and "too large" in done.stderr, f"no diagnostic about the output:\n{done.stderr}")
    check_equal(os.listdir(out) if os.path.exists(out) else [], [], "left in the output folder")


def test_disk_full():
    """A file system with room for neither the work files nor the outputs."""
    check(os.geteuid() == 0, "only root can mount a small file system: run the end-to-end tests as root")
    folder = env.fresh("full")
    full, roomy = os.path.join(folder, "full"), os.path.join(folder, "roomy")
    for path in (full, roomy):
        os.mkdir(path)
    manifest = _small(folder)
    run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", full])
    try:
        done = run([env.MVPCTL, "build", "-q", "-o", full, manifest], status=9, env=dict(os.environ, TMPDIR=roomy))
        check(DISK_FULL in done.stderr, f"the diagnostic does not say why:\n{done.stderr}")
        check_equal(os.listdir(full) + os.listdir(roomy), [], "left after a build without room")
    finally:
        run(["umount", full])


def test_budget():
    """Sizes of core and hypervisor against tests/budget, and against what is in the boot partition."""
    with open(os.path.join(env.ROOT, "tests", "budget")) as f:
        budget = {words[0]: int(words[1]) for words in (line.split("#")[0].split() for line in f) if words}
    check_equal(sorted(budget), ["core-text", "hypervisor"], "names in tests/budget")
    sizes = build.built().event("result")["hypervisor"]
    got = {"core-text": sizes["core-text"], "hypervisor": sizes["core-image"] + sizes["vault-image"]}
    for name, size in got.items():
        check(1000 < size <= budget[name], f"{name} is {size} bytes; tests/budget allows {budget[name]}")
    part = build.built().parts()["boot"]
    with open(build.built().disk, "rb") as f:
        f.seek(part.at)
        head = f.read(16)
    kernel = int.from_bytes(head[8:12], "little")
    check(head[:8] == b"ANDROID!", "the boot partition does not start with a boot image")
    check(kernel <= budget["hypervisor"], f"the hypervisor in the boot image is {kernel} bytes; tests/budget allows {budget['hypervisor']}")
    print(f"# core text {got['core-text']} of {budget['core-text']} bytes, core and vault {got['hypervisor']} of {budget['hypervisor']}")
