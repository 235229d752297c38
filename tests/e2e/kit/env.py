"""Places and the running of programs."""
import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
O = os.path.abspath(os.environ.get("O", os.path.join(ROOT, "build")))
MVPCTL = os.path.join(O, "mvpctl")
DEMO = os.path.join(O, "demo")
INPUTS = os.path.join(O, "inputs")
WORK = os.path.join(O, "e2e", os.environ.get("E2E_WORKER", ""))

# Not the user's: a test must not depend on what was built before it elsewhere. Whoever wants to share one says so.
os.environ.setdefault("XDG_CACHE_HOME", os.path.join(O, "cache"))


class Failure(Exception):
    """A test's expectation did not hold."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(got, want, what):
    check(got == want, f"{what}: got {got!r}, expected {want!r}")


def program(name):
    """Path of a program, the sbin folders included."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    check(path, f"the program '{name}' is not installed: make deps")
    return path


def run(command, *, status=0, timeout=600, **kwargs):
    """Runs a program to its end; Failure if its exit status is not the one given (None: any). Returns the CompletedProcess."""
    command = [program(command[0])] + [str(c) for c in command[1:]] if not os.path.isabs(str(command[0])) else [str(c) for c in command]
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout, **kwargs)
    if status is not None and done.returncode != status:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}, expected {status}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def fresh(*parts):
    """An empty folder below $O/e2e."""
    path = os.path.join(WORK, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@functools.cache
def _shared_folder():
    folder = os.environ.get("E2E_SHARED")
    if not folder:  # not started by run.py: nobody is there to share with
        folder = fresh(f"shared-{os.getpid()}")
        atexit.register(shutil.rmtree, folder, True)
    return folder


def shared(name, make):
    """A folder that make(folder) fills for all workers of a run, by the first who asks. Do not write to it."""
    folder = os.path.join(_shared_folder(), name)
    with open(folder + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(folder + ".done"):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            make(folder)
            with open(folder + ".done", "w", encoding="utf-8"):
                pass
    return folder


def sha256(path, at=0, length=None):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        f.seek(at)
        left = length
        while left is None or left > 0:
            data = f.read(1 << 20 if left is None else min(1 << 20, left))
            if not data:
                break
            digest.update(data)
            if left is not None:
                left -= len(data)
    return digest.hexdigest()


def copy_range(source, at, length, target):
    """Writes length bytes of source from at as the file target; zero blocks become holes."""
    with open(source, "rb") as src, open(target, "wb") as dst:
        src.seek(at)
        done = 0
        while done < length:
            data = src.read(min(1 << 20, length - done))
            check(data, f"{source} ends at {at + done}, wanted up to {at + length}")
            if data.count(0) != len(data):
                dst.seek(done)
                dst.write(data)
            done += len(data)
        dst.truncate(length)


def copy_sparse(source, target):
    run(["cp", "--sparse=always", "--reflink=auto", source, target])


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.05)


def short_folder():
    """A new folder with a short path, for sockets; the caller removes it."""
    return tempfile.mkdtemp(prefix="mvp-")
