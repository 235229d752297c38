"""QEMU's machine protocol: keys, touches and the screen of a handset that runs (`mvpctl run --qmp unix:PATH`)."""
import collections
import contextlib
import json
import os
import socket
import time

from .env import Failure, check, wait_until

AXIS_MAX = 0x7fff  # QEMU's absolute axes
TIMEOUT_S = 60
WARN_COLOUR = (0xff, 0xc1, 0x07)
BAR = 32  # lines of the trusted bar


class Qmp:
    """One connection to the socket at PATH, which may take a while to appear."""

    def __init__(self, path):
        wait_until(lambda: os.path.exists(path), 30, "QEMU's socket")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        wait_until(lambda: self._connect(path), 30, "QEMU's machine protocol")
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._file.readline()
        self.ask("qmp_capabilities")

    def _connect(self, path):
        try:
            self._socket.connect(path)
            return True
        except ConnectionRefusedError:
            return False

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, command, **arguments):
        try:
            self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._file.flush()
            while True:
                line = self._file.readline()
                check(line, f"QEMU ended while it was asked to {command}")
                answer = json.loads(line)
                if "event" not in answer:
                    check("return" in answer, f"QEMU refuses {command}: {answer}")
                    return answer["return"]
        except OSError as e:
            raise Failure(f"QEMU does not answer {command}: {e}") from e

    @contextlib.contextmanager
    def paused(self):
        """The machine stands still, and so does its clock: nothing changes, and nobody works but who looks at it."""
        self.ask("stop")
        try:
            yield
        finally:
            self.ask("cont")

    def human(self, line):
        """A line to QEMU's monitor, which has nothing to say to it."""
        said = self.ask("human-monitor-command", **{"command-line": line})
        check(not said, f"QEMU's monitor says to '{line}': {said}")

    # Input. Keys have QEMU's names: a..z, 0..9, ret, tab, meta_l, shift, ...

    def events(self, *events):
        self.ask("input-send-event", events=list(events))

    def key(self, name, down):
        self.events({"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}})

    def press(self, *names):
        """All down in this order, and up again in the other."""
        for name in names:
            self.key(name, True)
            time.sleep(0.02)
        for name in reversed(names):
            self.key(name, False)
            time.sleep(0.02)

    def type(self, text):
        """Letters, digits and newlines."""
        for c in text:
            self.press("ret" if c == "\n" else c)

    def move(self, x, y):
        """To x and y, parts of the screen's width and height."""
        self.events({"type": "abs", "data": {"axis": "x", "value": int(x * AXIS_MAX)}},
                    {"type": "abs", "data": {"axis": "y", "value": int(y * AXIS_MAX)}})

    def button(self, down):
        self.events({"type": "btn", "data": {"down": down, "button": "left"}})

    def tap(self, x, y):
        self.move(x, y)
        self.button(True)
        time.sleep(0.05)
        self.button(False)

    # The screen

    def screen(self, path):
        """What the screen shows, as a Picture; PATH is a file to use."""
        self.ask("screendump", filename=path)
        with open(path, "rb") as f:
            picture = Picture(f.read())
        os.unlink(path)
        return picture


class Picture:
    """A binary PPM with 8 bits a colour."""

    def __init__(self, data):
        words = data.split(None, 4)
        check(len(words) == 5 and words[0] == b"P6" and words[3] == b"255", "not a picture as expected")
        self.width, self.height = int(words[1]), int(words[2])
        self.pixels = data[len(data) - 3 * self.width * self.height:]
        header = data[:len(data) - len(self.pixels)]
        check(header.split() == words[:4], "not a picture as expected")

    def rows(self, first, count):
        """The bytes of these lines."""
        check(0 <= first and first + count <= self.height, f"a picture of {self.height} lines has no {first} to {first + count}")
        return self.pixels[3 * self.width * first:3 * self.width * (first + count)]

    def at(self, x, y):
        i = 3 * (self.width * y + x)
        return tuple(self.pixels[i:i + 3])

    def colours(self, first=0, count=None):
        """{(r, g, b): pixels} of these lines."""
        rows, length = self.rows(first, self.height - first if count is None else count), 3 * self.width
        found = collections.Counter()
        # Most lines of a picture look like another one.
        for row, times in collections.Counter(rows[i:i + length] for i in range(0, len(rows), length)).items():
            for colour, n in collections.Counter(row[i:i + 3] for i in range(0, length, 3)).items():
                found[tuple(colour)] += n * times
        return dict(found)


def shows_reason(picture):
    """A line of the lock screen in the colour of what is wrong. The bar has that colour for alerts, too: it does not count."""
    return WARN_COLOUR in picture.colours(BAR, picture.height - BAR)
