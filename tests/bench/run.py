#!/usr/bin/env python3
"""run.py [--markdown FILE] [WORD...]: measures the handset beside other machines and prints tables. O=FOLDER names the build.

A benchmark is a file bench_*.py here with TITLE, NOTES and measure(bench), which returns rows (table.py); WORD picks those with the word in
their name, and `profile` the trace of every exit (exit_profile.py). Exit status 1 if a side could not be measured or a goal not be judged,
3 if a goal is missed, else 0."""
import argparse
import glob
import importlib
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import exit_profile  # noqa: E402
import sides  # noqa: E402
import table  # noqa: E402

STATUS_BROKEN, STATUS_MISSED = 1, 3
COLUMNS = ("native", "ours", "xen", "kvm")


class Bench:
    """What a benchmark asks for measurements. A side that fails is noted and the others go on."""

    def __init__(self):
        self.failures = []

    def report(self, side, guest, timeout):
        """{name: (ticks, count)} as the guest reported on that side, or None."""
        return self.attempt(f"{guest.name} on {side}", lambda: sides.parse(sides.SIDES[side](guest, timeout)))

    def attempt(self, what, function):
        """The function's result, or None if it failed."""
        print(f"measuring {what}", file=sys.stderr, flush=True)
        try:
            return function()
        except Exception as e:
            text = str(e) if isinstance(e, sides.Failure) else traceback.format_exc()
            self.failures.append(f"{what}: {text}")
            return None
        finally:
            sides.Console.kill_all()


def modules(words):
    names = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "bench_*.py")))
    return [importlib.import_module(name) for name in names if not words or any(word in name for word in words)]


def main(argv):
    parser = argparse.ArgumentParser(usage="run.py [--markdown FILE] [WORD...]")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args(argv)
    chosen = modules(args.words)
    with_profile = not args.words or any(word in "profile" for word in args.words)
    if not chosen and not with_profile:
        parser.error("no benchmark has such a name")
    bench, pages, missed = Bench(), [], []
    for module in chosen:
        rows = bench.attempt(module.__name__, lambda m=module: m.measure(bench))
        if not rows:
            continue
        columns = getattr(module, "COLUMNS", COLUMNS)
        print(table.text(module.TITLE, rows, columns, module.NOTES), flush=True)
        pages.append(table.markdown(module.TITLE, rows, columns, module.NOTES))
        for row in rows:
            for goal, met in row.verdicts():
                if met is None:
                    bench.failures.append(f"{row.name}: {goal}: not measured")
                elif not met:
                    missed.append(table.miss(row, goal))
    if with_profile:
        found = bench.attempt("profile", exit_profile.measure)
        if found:
            print(exit_profile.text(found), flush=True)
            pages.append(exit_profile.markdown(found))
    for failure in bench.failures:
        print(f"FAILED: {failure}")
    print("\n".join([f"goals missed: {len(missed)}", *(f"- {line}" for line in missed)]))
    if args.markdown and not bench.failures:
        pages.append("\n".join(["## Goals missed", "", *(f"- {line}" for line in missed or ["none"]), ""]))
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write(sides.preface() + "\n".join(pages))
    return STATUS_BROKEN if bench.failures else STATUS_MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
