"""The devices of both personas as Debian's own drivers use them: network, keyboard and touch, random numbers, clock, control port. The
disk's test is test_load.py."""
import hashlib
import http.server
import os
import random
import re
import socket
import threading
import time

from kit import mini
from kit.env import check, check_equal

PERSONAS = ("personal", "work")
FILE_LEN = 1 << 20
CLOCK_S = 2
LIMIT_BITS = 8000000
LIMIT_TIMES = 20  # a limit slows down and does not choke; the host is busy with other tests
LIMIT_SLACK = 0.8  # a bucket is full at first
EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
KEY_A, KEY_B, KEY_TAB, KEY_META, BTN_TOUCH = 30, 48, 15, 125, 0x14a
ABS_MT_X, ABS_MT_Y = 0x35, 0x36
FRAME, BAR = (480, 960), 32
SETTLE_S = 1.5  # for what must not come


class Server:
    """A web server on the host with one file, /file."""

    def __init__(self):
        self.content = random.Random(7).randbytes(FILE_LEN)
        content = self.content

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/file" else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()


def in_both(function):
    """{persona: function(persona)}, both at once."""
    found, failed = {}, []

    def call(persona):
        try:
            found[persona] = function(persona)
        except Exception as e:
            failed.append(e)

    threads = [threading.Thread(target=call, args=(persona,)) for persona in PERSONAS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def download(handset, persona, server):
    """Seconds by the guest's clock that it took."""
    shown = handset.sh(persona, "read a rest </proc/uptime; "
                       f"wget -q -O - http://{mini.HOST}:{server.port}/file | sha256sum; read b rest </proc/uptime; echo took $a $b", 120)
    check(server.sha256() in shown, f"{persona} downloaded something else:\n{shown}")
    began, ended = re.search(r"took (\S+) (\S+)", shown).groups()
    return float(ended) - float(began)


def upload(handset, persona):
    """Seconds between the first and the last byte that the host gets."""
    times, seen = [], hashlib.sha256()

    def take(listener):
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                times.append(time.monotonic())
                seen.update(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(120)
        thread = threading.Thread(target=take, args=(listener,))
        thread.start()
        shown = handset.sh(persona, f"dd if=/dev/urandom of=/tmp/up bs=1024 count={FILE_LEN >> 10} 2>/dev/null; sha256sum </tmp/up; "
                           f"nc {mini.HOST} {listener.getsockname()[1]} </tmp/up", 120)
        thread.join()
    check(seen.hexdigest() in shown, f"{persona} sent something else")
    return times[-1] - times[0]


def _network(handset):
    with Server() as server:
        addresses = in_both(handset.lease)
        in_both(lambda persona: download(handset, persona, server))
    macs = in_both(lambda persona: handset.sh(persona, "cat /sys/class/net/eth0/address").split()[-1])
    check(addresses["personal"] != addresses["work"], f"both personas have the address {addresses}")
    check(macs["personal"] != macs["work"] and all(int(mac[:2], 16) & 3 == 2 for mac in macs.values()), f"the MAC addresses are {macs}")
    for persona, other in zip(PERSONAS, reversed(PERSONAS)):
        handset.sh(persona, f"ping -c 1 -W 10 {mini.HOST} >/dev/null")
        handset.sh(persona, f"ping -c 1 -W 1 {addresses[other]} >/dev/null", status=1)


def _random_numbers(handset):
    seen = []
    for persona in PERSONAS:
        check("virtio_rng" in handset.sh(persona, "cat /sys/class/misc/hw_random/rng_current"), f"{persona} has no virtio_rng")
        for _ in range(2):
            shown = handset.sh(persona, "dd if=/dev/hwrng bs=64 count=1 2>/dev/null | od -An -v -t x1")
            seen.append(bytes.fromhex("".join(re.findall(r"^(?: [0-9a-f]{2})+$", shown, re.M)).replace(" ", "")))
    check(all(len(data) == 64 and len(set(data)) > 32 for data in seen), f"/dev/hwrng gave {seen}")
    check_equal(len(set(seen)), 4, "different blocks of /dev/hwrng, two in each persona")


def _clocks(handset):
    for persona in PERSONAS:
        check("rtc-pl031" in handset.sh(persona, "cat /sys/class/rtc/rtc0/name"), f"{persona} has no PL031")
        before = time.time()
        shown = handset.sh(persona, "echo now $(cat /sys/class/rtc/rtc0/since_epoch)")
        after = time.time()
        now = int(re.search(r"^now (\d+)", shown, re.M)[1])
        check(before - CLOCK_S <= now <= after + CLOCK_S, f"the clock of {persona} says {now}, the host's {before:.1f} to {after:.1f}")


class Events:
    """What the input devices of a persona said, from its own view."""

    def __init__(self, handset, persona):
        self.handset, self.persona = handset, persona
        handset.sh(persona, "probe events >/tmp/events 2>&1 & sleep 0.5; grep -q '^events of 2 devices' /tmp/events")

    def read(self):
        """[(device, type, code, value)] until now."""
        shown = self.handset.sh(self.persona, "cat /tmp/events")
        check("wrong:" not in shown, f"{self.persona}:\n{shown}")
        return [tuple(map(int, words)) for words in re.findall(r"^(\d+) (\d+) (\d+) (-?\d+)$", shown, re.M)]

    def keys(self):
        """[(code, value)] of keys and of the touch screen's contact."""
        return [(code, value) for _, kind, code, value in self.read() if kind == EV_KEY]


def _wait_keys(events, wanted):
    """Until the persona has seen them all, in this order and nothing else."""
    end = time.monotonic() + 30
    while events.keys() != wanted:
        check(time.monotonic() < end, f"{events.persona} saw the keys {events.keys()}, expected {wanted}")
        time.sleep(0.2)


def _input(handset):
    qmp = handset.qmp
    events = {persona: Events(handset, persona) for persona in PERSONAS}
    tapped = [(BTN_TOUCH, 1), (BTN_TOUCH, 0)]
    typed = [(KEY_A, 1), (KEY_A, 0)]
    check_equal(handset.front(), "personal", "in front")
    qmp.press("a")
    qmp.tap(0.25, 0.5)
    _wait_keys(events["personal"], typed + tapped)
    # What is touched is the frame below the bar.
    positions = {code: value for _, kind, code, value in events["personal"].read() if kind == EV_ABS}
    wanted = (FRAME[0] * 0.25, (FRAME[1] + BAR) * 0.5 - BAR)
    check(abs(positions[ABS_MT_X] - wanted[0]) <= 2 and abs(positions[ABS_MT_Y] - wanted[1]) <= 2, f"touched {wanted}, got {positions}")
    # The chord: its first key was personal's, and it learns that it is up again; the second is nobody's.
    qmp.press("meta_l", "tab")
    handset.wait_front("work", "after the chord")
    qmp.press("b")
    qmp.tap(0.5, 0.01)  # in the bar
    qmp.tap(0.75, 0.5)
    _wait_keys(events["work"], [(KEY_B, 1), (KEY_B, 0), *tapped])
    _wait_keys(events["personal"], typed + tapped + [(KEY_META, 1), (KEY_META, 0)])
    # A key that is held while the console switches: the old one sees it released, the new one not at all.
    qmp.key("a", True)
    _wait_keys(events["work"], [(KEY_B, 1), (KEY_B, 0), *tapped, (KEY_A, 1)])
    handset.send("mvp", "switch")
    check_equal(handset.front(), "personal", "in front after the console's switch")
    qmp.key("a", False)
    time.sleep(SETTLE_S)
    _wait_keys(events["work"], [(KEY_B, 1), (KEY_B, 0), *tapped, *typed])
    _wait_keys(events["personal"], typed + tapped + [(KEY_META, 1), (KEY_META, 0)])


def ask(handset, persona, *lines):
    """The control port's answers."""
    quoted = " ".join(f"'{line}'" for line in lines)
    shown = handset.sh(persona, f"probe port org.mvp.control {quoted}")
    return [line for line in re.findall(r"^port: (.*)$", shown, re.M) if line not in ("front", "behind")]


def _control(handset):
    for persona, front in zip(PERSONAS, ("yes", "no")):
        answers = ask(handset, persona, "hello", "status", "alerts 7", "alerts 1000", "switch", "nonsense")
        wanted = [f"mvp 1 {persona}", f"status front {front} other open lease none", "ok", "unknown", "denied", "unknown"]
        check_equal(answers, wanted, f"{persona}'s port")
    check_equal(handset.front(), "personal", "in front after requests that were denied")


def test_devices():
    with mini.Mini(mini.built(), "devices") as handset:
        handset.both_ready()
        steps = (_network, _random_numbers, _clocks, _input, _control)
        for step in steps:
            step(handset)
    return len(steps)


def test_policies():
    """A persona without network, one with a limit, and an agent that may switch."""
    image = mini.disk("policies", personal="network: none", work="network: nat\n    network-limit: 8 Mbit/s",
                      policy="policy: {switch-request: [work]}\n")
    with mini.Mini(image, "policies") as handset, Server() as server:
        handset.both_ready()
        cards = in_both(lambda persona: handset.sh(persona, "ls /sys/class/net").split())
        check("eth0" in cards["work"] and "eth0" not in cards["personal"], f"network devices: {cards}")
        ids = handset.sh("personal", "cat /sys/bus/virtio/devices/*/device").split()
        check("0x0002" in ids and "0x0001" not in ids, f"personal's virtio devices are {ids}")
        handset.lease("work")
        least = FILE_LEN * 8 / LIMIT_BITS
        for what, took in (("download", download(handset, "work", server)), ("upload", upload(handset, "work"))):
            check(LIMIT_SLACK * least <= took <= LIMIT_TIMES * least,
                  f"{what} of {FILE_LEN} bytes took {took:.2f} s; at {LIMIT_BITS} bits a second it is {least:.2f} s")
        check_equal(ask(handset, "work", "switch"), ["ok"], "the agent that may switch")
        check_equal(handset.front(), "work", "in front after the agent's request")
    os.unlink(image)
    return 3
