#!/usr/bin/env python3
"""run.py [WORD...]: runs the end-to-end tests that have one of the words in their name. O=FOLDER names the build.

A test is a function test_* of a file test_*.py here, or a shell script. One line per test, the output of those that failed, and a last
line `N passed, M failed`. A test that cannot run fails: nothing is skipped. Two run at once (E2E_WORKERS says otherwise), each worker in a
folder of its own below $O/e2e; those marked `alone` run one by one at the end."""
import contextlib
import ctypes
import functools
import glob
import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from kit import env  # noqa: E402
from kit.handset import Handset  # noqa: E402

SCRIPT_TIMEOUT_S = 900
WORKERS = 2
SLOWEST = 10  # named at the end
ENDING_S = 1
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def python_tests():
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        name = os.path.basename(path)[:-3]
        story = name.removeprefix("test_")
        try:
            module = importlib.import_module(name)
        except Exception:
            yield story, _raise(traceback.format_exc())
            continue
        for attribute in vars(module).copy().values():
            if not callable(attribute) or not getattr(attribute, "__name__", "").startswith("test_") or attribute.__module__ != name:
                continue
            base = f"{story}.{attribute.__name__.removeprefix('test_')}"
            by_name = getattr(attribute, "cases", None)
            if by_name is None:
                yield base, attribute
            else:
                for case, arguments in by_name.items():
                    one = functools.partial(attribute, *arguments)
                    one.alone = getattr(attribute, "alone", False)
                    yield f"{base}[{case}]", one


def script_tests():
    for path in sorted(glob.glob(os.path.join(HERE, "*.sh"))):
        yield os.path.basename(path)[:-3], lambda p=path: _script(p)


def _script(path):
    done = subprocess.run(["sh", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=SCRIPT_TIMEOUT_S, cwd=env.ROOT, env=dict(os.environ, O=env.O, MVPCTL=env.MVPCTL))
    counts = SUMMARY.findall(done.stdout)
    env.check(done.returncode == 0 and (not counts or counts[-1][1] == "0"), done.stdout[-6000:])
    env.check(not counts or counts[-1][0] != "0", "it tested nothing")
    return int(counts[-1][0]) if counts else 1


def _raise(text):
    def fail():
        raise env.Failure(text)
    return fail


def _adopt():
    """A QEMU that outlives who started it becomes this process's child."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _cpu():
    """Seconds of processors that this process and its children have had, which ended or are about to."""
    end = time.monotonic() + ENDING_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def run_one(name, function):
    """Returns (passed, name, error or None, seconds, seconds of processors)."""
    start, cpu, passed, error = time.monotonic(), _cpu(), 0, None
    try:
        count = function()
        passed = count if isinstance(count, int) and count > 0 else 1
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        error = str(e) if isinstance(e, env.Failure) else traceback.format_exc()
    finally:
        Handset.kill_all()
    return passed, name, error, time.monotonic() - start, _cpu() - cpu


def worker():
    """Runs the tests whose names come on stdin, in a work folder of its own, and answers each with a line of JSON."""
    answers, sys.stdout = sys.stdout, sys.stderr
    _adopt()
    os.makedirs(env.WORK, exist_ok=True)
    tests = dict([*python_tests(), *script_tests()])
    for line in sys.stdin:
        print(json.dumps(run_one(line.rstrip("\n"), tests[line.rstrip("\n")])), file=answers, flush=True)


class Runner:
    """Tests run by several workers at once."""

    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()
        self.took = []  # (seconds, seconds of processors, name) of each that ran

    def show(self, passed, name, error=None, seconds=0.0, cpu=0.0):
        with self.lock:
            self.passed += passed
            self.failed += not passed
            self.took.append((seconds, cpu, name))
            print(f"{'ok' if passed else 'not ok'} - e2e {name} ({seconds:.1f} s)")
            for line in (error or "").splitlines():
                print(f"    {line}")
            sys.stdout.flush()

    def show_slowest(self):
        print(f"slowest of {sum(cpu for _, cpu, _ in self.took):.0f} s of processors:")
        for seconds, cpu, name in sorted(self.took, reverse=True)[:SLOWEST]:
            print(f"    {seconds:6.1f} s, {cpu:6.1f} of processors: {name}")

    def _serve(self, number, waiting):
        command = [sys.executable, os.path.abspath(__file__), "--worker"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=dict(os.environ, E2E_WORKER=str(number)))
        while True:
            with self.lock:
                name = waiting.pop(0) if waiting else None
            if name is None:
                break
            try:
                process.stdin.write(name + "\n")
                process.stdin.flush()
                self.show(*json.loads(process.stdout.readline()))
            except (OSError, ValueError):
                self.show(0, name, f"the worker that ran it ended, status {process.wait()}")
                break
        process.stdin.close()
        process.wait()

    def run(self, names, workers):
        waiting = list(names)
        threads = [threading.Thread(target=self._serve, args=(n, waiting)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in waiting:
            self.show(0, name, "no worker was left to run it")


def main(words):
    chosen = [(name, f) for name, f in [*python_tests(), *script_tests()] if not words or any(word in name for word in words)]
    together = [name for name, f in chosen if not getattr(f, "alone", False)]
    # What one worker makes for all, as things are now.
    os.environ["E2E_SHARED"] = env.fresh("shared")
    runner = Runner()
    # Most of a test is waiting for one virtual CPU or another.
    runner.run(together, min(int(os.environ.get("E2E_WORKERS", WORKERS)), len(together)))
    runner.run([name for name, _ in chosen if name not in together], 1 if len(together) < len(chosen) else 0)
    runner.show_slowest()
    print(f"{runner.passed} passed, {runner.failed} failed", flush=True)
    return 1 if runner.failed or not runner.passed else 0


if __name__ == "__main__":
    # Like the interrupt key: no QEMU outlives its test.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(worker() if sys.argv[1:] == ["--worker"] else main(sys.argv[1:]))
