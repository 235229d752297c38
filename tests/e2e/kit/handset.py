"""The handset in QEMU with its console on pipes.

Prefixed console: each line the handset prints begins with who wrote it (`personal| `, `work| `, `mvp| `), each line it reads with whom it
is for. Mux console: one stream; the switch key changes whose it is."""
import os
import re
import selectors
import signal
import subprocess
import threading
import time

from . import env
from .env import Failure, check

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")
SOURCES = ("personal", "work", "mvp")


def loose(text):
    """A pattern of text that may be in pieces: a line that somebody is slow to finish is shown in several when others talk, too."""
    return r"\n?".join(map(re.escape, text))


class Console:
    """A program with a console on its standard input and output: everything it says is kept by source and written to a log."""

    live = set()

    def __init__(self, command, log, prefixed, show=None, environment=None):
        self.prefixed = prefixed
        self.show = show  # a text stream that gets a copy
        self.log_path = log
        self.text = {source: "" for source in SOURCES} | {"": ""}
        self.seen = {source: 0 for source in self.text}
        self._line = ""
        self._source = None
        self._sends = 0
        self._changed = threading.Condition()
        self._closed = False
        os.makedirs(os.path.dirname(log), exist_ok=True)
        self._log = open(log, "w", errors="replace")
        self._log.write("$ " + " ".join(command) + "\n")
        # A process group of its own, so that stopping it stops the QEMU it started.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, env=environment)
        Console.live.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # What comes.

    def _read(self):
        descriptor = self.process.stdout.fileno()
        while True:
            data = os.read(descriptor, 65536)
            with self._changed:
                if not data:
                    self._closed = True
                    self._changed.notify_all()
                    return
                text = data.decode("utf-8", "replace")
                self._log.write(text)
                self._log.flush()
                if self.show:
                    self.show.write(ESCAPES.sub("", text))
                    self.show.flush()
                self._take(text)
                self._changed.notify_all()

    def _take(self, text):
        if not self.prefixed:
            self.text[""] = ESCAPES.sub("", self.text[""] + text)
            return
        for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._line += piece
            if self._source is None:
                source, bar, rest = self._line.partition("|")
                if bar and source.strip("\r") in SOURCES:
                    if len(rest) < 1:
                        continue
                    self._source = source.strip("\r")
                    piece = rest.removeprefix(" ")
                elif not piece.endswith("\n"):
                    continue
                else:
                    self._source = ""
                    piece = self._line
            self.text[self._source] += ESCAPES.sub("", piece)
            if piece.endswith("\n"):
                self._line, self._source = "", None

    def expect(self, source, pattern, timeout=60):
        """Waits for the pattern in what the source said since the last match. Returns the match."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                match = re.compile(pattern, re.M).search(self.text[source], self.seen[source])
                if match:
                    self.seen[source] = match.end()
                    return match
                left = end - time.monotonic()
                if left <= 0 or self._closed:
                    why = "the handset ended" if self._closed else f"not within {timeout} s"
                    tail = "\n".join(self.text[source].splitlines()[-15:])
                    raise Failure(f"{source or 'console'}: no /{pattern}/: {why}; transcript {self.log_path}; it said last:\n{tail}")
                self._changed.wait(left)

    def skip(self, source):
        """Forgets what the source said so far: what is expected next must be new."""
        with self._changed:
            self.seen[source] = len(self.text[source])

    def said(self, source, pattern):
        """Whether the source has said it, ever."""
        with self._changed:
            return re.search(pattern, self.text[source], re.M) is not None

    def silent(self, source):
        with self._changed:
            return self.text[source] == ""

    # What goes.

    def write(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError as e:
            raise Failure(f"the handset ended; transcript {self.log_path}") from e

    def send(self, to, line):
        """A line to one of the sources (prefixed console), or as it is typed (mux)."""
        self.write((f"{to}|{line}\n" if self.prefixed else f"{line}\n").encode())

    def sh(self, persona, command, timeout=60, status=0):
        """Runs a shell command in a persona and returns what it printed. The marks are quoted apart, so that the echo does not match."""
        self._sends += 1
        n = self._sends
        self.send(persona, f"echo B''EGIN{n}; {command}; echo E''ND{n}:$?")
        source = persona if self.prefixed else ""
        self.expect(source, rf"^.*{loose(f'BEGIN{n}')}\n", timeout)
        at = self.seen[source]
        match = self.expect(source, rf"{loose(f'END{n}:')}\n?(\d+)", timeout)
        if status is not None:
            check(int(match[1]) == status, f"{persona}: '{command}' ended with {match[1]}:\n{self.text[source][at:match.start()]}")
        return self.text[source][at:match.start()]

    # The end.

    def power_off(self, timeout=60):
        self.send("mvp", "poweroff")
        check(self.wait(timeout) == 0, "the handset's power-off is not a clean end")

    def wait(self, timeout=60):
        """Waits for the program's own end; its exit status."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise Failure(f"the handset did not end within {timeout} s; transcript {self.log_path}") from e
        self._reader.join(10)
        self._forget()
        return status

    def kill(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait(30)
        self._forget()

    def _forget(self):
        Console.live.discard(self)
        try:
            self.process.stdin.close()
        except OSError:
            pass

    @classmethod
    def kill_all(cls):
        for console in list(cls.live):
            console.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Handset(Console):
    """A built handset, run by `mvpctl run --headless`."""

    def __init__(self, disk, log, *, cpu="cortex-a72", smp=2, prefixed=True, show=None, arguments=(), environment=None):
        command = [env.MVPCTL, "run", "--headless", "--cpu", cpu, "--smp", str(smp), *arguments, disk]
        super().__init__(command, os.path.join(env.WORK, "log", log + ".log"), prefixed, show, environment)

    def personal_ready(self, timeout=120):
        self.expect("personal", r"personal:/# ", timeout)

    def unlock(self, passcode, timeout=120):
        self.send("mvp", f"unlock {passcode}")
        self.expect("work", r"work:/# ", timeout)
