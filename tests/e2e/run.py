#!/usr/bin/env python3
"""run.py [WORD...]: runs the end-to-end tests that have one of the words in their name. O=FOLDER names the build.

A test is a function test_* of a file test_*.py here, or a shell script. One line per test, the output of those that failed, and a last
line `N passed, M failed`. A test that cannot run fails: nothing is skipped."""
import glob
import importlib
import os
import re
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from kit import env  # noqa: E402
from kit.handset import Handset  # noqa: E402

SCRIPT_TIMEOUT_S = 900
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
                    yield f"{base}[{case}]", lambda f=attribute, a=arguments: f(*a)


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


def main(words):
    os.makedirs(env.WORK, exist_ok=True)
    passed = failed = 0
    for name, function in [*python_tests(), *script_tests()]:
        if words and not any(word in name for word in words):
            continue
        start = time.monotonic()
        try:
            count = function()
            passed += count if isinstance(count, int) and count > 0 else 1
            print(f"ok - e2e {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            failed += 1
            text = str(e) if isinstance(e, env.Failure) else traceback.format_exc()
            print(f"not ok - e2e {name} ({time.monotonic() - start:.1f} s)")
            print("".join(f"    {line}\n" for line in text.splitlines()), end="", flush=True)
        finally:
            Handset.kill_all()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
