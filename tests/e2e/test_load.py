"""Both personas with disk, network and input busy at once: nothing stalls, nothing is lost or comes twice. In `make check` for seconds;
MVP_LOAD_S sets how many."""
import os
import re
import socket
import threading
import time

from kit import mini
from kit.cases import alone
from kit.env import check, check_equal

LOAD_S = int(os.environ.get("MVP_LOAD_S", "12"))
GAP_MS = 3000  # of sleeping longer than asked for, on a busy host with half a CPU for each simulated one
KEYS_PER_S = 8
SWITCH_S = 3
LEAST_PER_S = {"disk": 5, "net": 1}
PERSONAS = ("personal", "work")


class Echo:
    """A server on the host that sends back what comes."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def close(self):
        self._listener.close()


def _drive(handset, seconds):
    """Types and switches the screen to and fro. Returns how many keys each persona has to have seen."""
    typed, front = dict.fromkeys(PERSONAS, 0), handset.front()
    end, next_switch = time.monotonic() + seconds, time.monotonic() + SWITCH_S
    while time.monotonic() < end:
        handset.qmp.press("abcdefgh"[sum(typed.values()) % 8])
        typed[front] += 1
        time.sleep(1 / KEYS_PER_S)
        if time.monotonic() > next_switch:
            # A key goes to who is in front when it arrives: the last one has to have.
            time.sleep(0.3)
            handset.send("mvp", "switch")
            now = handset.front()
            check(now != front, f"the console's switch left {front} in front")
            front, next_switch = now, time.monotonic() + SWITCH_S
    return typed


def _results(handset, persona, seconds):
    """{"disk": n, "net": n, "keys": n} of a load that ended well."""
    # A whole line: it comes in pieces.
    match = handset.expect(persona, r"^(load: disk (\d+) net (\d+) keys (\d+)|wrong: .*)\n", seconds + 120)
    check(match[2], f"{persona}: {match[1]}")
    text = handset.text[persona]
    beats = re.findall(r"^beat (\d+) (\d+)$", text, re.M)
    numbers, gaps = [0] + [int(n) for n, _ in beats], [int(gap) for _, gap in beats]
    # A beat has the number of its second: those that a busy host slept through are missing.
    steps = {b - a for a, b in zip(numbers, numbers[1:])}
    check(min(steps) >= 1 and max(steps) <= 1 + GAP_MS // 1000 and numbers[-1] >= seconds, f"beats of {persona}: {numbers}")
    check(max(gaps) <= GAP_MS, f"{persona} stood still for {max(gaps)} ms: {gaps}")
    found = dict(zip(("disk", "net", "keys"), map(int, match.groups()[1:])))
    for what, least in LEAST_PER_S.items():
        check(found[what] >= least * seconds, f"{persona} got {found[what]} requests to {what} done in {seconds} s")
    return found, max(gaps)


@alone
def test_load():
    echo = Echo()
    try:
        with mini.Mini(mini.built(), "load") as handset:
            handset.both_ready()
            for persona in PERSONAS:
                handset.lease(persona)
            for persona in PERSONAS:
                handset.send(persona, f"probe load /dev/userdata {mini.HOST} {echo.port} {LOAD_S}")
            for persona in PERSONAS:
                handset.expect(persona, "^load: begun", 30)
            typed = _drive(handset, LOAD_S - 5)
            keys = {}
            for persona in PERSONAS:
                found, gap = _results(handset, persona, LOAD_S)
                keys[persona] = found["keys"]
                print(f"    {persona}: {found}, longest pause {gap} ms in {LOAD_S} s", flush=True)
            check_equal(keys, typed, "keys that each persona saw")
            check(all(typed.values()), f"not both personas were typed to: {typed}")
            # What is left over of all that would show here.
            for persona in PERSONAS:
                handset.sh(persona, "dd if=/dev/userdata of=/dev/null bs=1048576 count=8 iflag=direct 2>/dev/null", 60)
            # Nothing of the vault's is still in use: it has what it had before.
            for persona in PERSONAS:
                handset.sh(persona, "sync", 60)
            handset.send("mvp", "disk")
            handset.expect("mvp", r"^disk 0 requests and 0 buffers in use$", 10)
            handset.power_off()
    finally:
        echo.close()
    return 5
