"""A wipe from afar, the whole of it: the order lies on a web server, the agent in the personal persona finds it, the vault carries it out,
the receipt comes back; the personal side works on. Afterwards nothing opens the work side, and nothing of it is left in flash or memory."""
import hashlib
import json
import mmap
import os
import socket
import time

from kit import container, env, gpt, mini
from kit.env import check, check_equal, wait_until
from kit.memory import Memory, round_keys
from kit.office import Office, state
from test_agent import DIGITS, SERIAL, Server

LONG = 240
PASSCODE = mini.LONG_PASSCODE
SEED = "minutes-of-the-board-71"
LOOP = ("( (head -c 300000 /dev/urandom >/tmp/file; while [ ! -e /tmp/stop ]; do s=$(sha256sum </tmp/file); read -r up _ </proc/uptime; "
        'echo "$up $s"; done >/tmp/loop 2>&1; touch /tmp/ended) >/dev/null 2>&1 &)')


def _fill_work(handset):
    """Data in work's files and memory that no console ever saw: digests of digests. Two lines of it."""
    handset.sh("work", f"mkdir -p /mnt; mount -t ext4 /dev/userdata /mnt; s={SEED}; n=0; "
               "while [ $n -lt 40 ]; do s=$(echo $s | sha256sum); s=${s%% *}; echo $s >>/mnt/minutes; n=$((n + 1)); done; "
               "cp /mnt/minutes /tmp/minutes; sync", LONG)
    lines, line = [], SEED
    for _ in range(40):
        line = hashlib.sha256((line + "\n").encode()).hexdigest()
        lines.append(line.encode())
    return lines[30] + b"\n" + lines[31]


def _talk(handset):
    """Has work send something and get an answer, neither of which any console saw: (what it sent, what it got)."""
    digest = SEED
    for _ in range(50):
        digest = hashlib.sha256((digest + "\n").encode()).hexdigest()
    sent, got = digest.encode(), hashlib.sha256(digest.encode()).hexdigest().encode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        handset.lease("work")
        handset.sh("work", "s=" + SEED + "; n=0; while [ $n -lt 50 ]; do s=$(echo $s | sha256sum); s=${s%% *}; n=$((n + 1)); done; "
                   f"(echo $s | nc {mini.HOST} {server.getsockname()[1]} >/tmp/answer &)", LONG)
        with server.accept()[0] as peer, peer.makefile("rb") as lines:
            peer.settimeout(LONG)
            check_equal(lines.readline(), sent + b"\n", "what work sent")
            peer.sendall(got)
        handset.sh("work", f"while [ $(wc -c </tmp/answer) -lt {len(got)} ]; do sleep 0.1; done", LONG)
    return sent, got


def _loop(handset):
    """(uptimes, number of different digests) of the personal side's checksum loop, which ends."""
    handset.sh("personal", "touch /tmp/stop; while [ ! -e /tmp/ended ]; do sleep 0.1; done", LONG)
    digests = int(handset.sh("personal", "cut -d' ' -f2 /tmp/loop | sort -u | wc -l", LONG))
    return [float(up) for up in handset.sh("personal", "cut -d' ' -f1 /tmp/loop | tr '\\n' ' '", LONG).split()], digests


def _uptime(handset):
    return float(handset.sh("personal", "cat /proc/uptime", LONG).split()[0])


def _undisturbed(loop, begin, end):
    """The loop's speed while the wipe went on, compared with that before it."""
    times, digests = loop
    check_equal(digests, 1, "digests that the personal side's loop computed")
    check_equal(times, sorted(times), "uptimes of the personal side: it was started anew")
    before = [up for up in times if up < begin]
    during = [up for up in times if begin <= up <= end]
    rate = len(before) / (before[-1] - before[0])
    check(len(during) >= max(2, rate * (end - begin) / 5),
          f"personal was held up: {len(during)} rounds in the {end - begin:.1f} s of the wipe, {rate:.1f} a second before it")


class Secrets:
    """What must be gone, by name: as it is in memory, and on the flash."""

    def __init__(self, office, key, bound, disk):
        data = [k for half in (key[:32], key[32:]) for k in round_keys(half)]
        self.schedule = {f"round key {i % 15} of half {i // 15} of the volume key": k for i, k in enumerate(data)}
        self.bound, self.key = bound, key
        part = gpt.read(disk)["work"]
        with open(disk, "rb") as f:
            f.seek(part.at)
            head = f.read(container.KEYS_LEN)
        areas = [head[at:at + 64] for at in range(0, len(head), 4096) if head[at:at + 4096].count(0) < 64 and at >= 0x8000]
        check(len(areas) >= 120, f"only {len(areas)} pieces of key material on the flash")
        self.flash = {"the header's magic": b"LUKS\xba\xbe\0\2", "the second header's": b"SKUL\xba\xbe\0\2", "its metadata": b'"keyslots"',
                      "the container's UUID": container.uuid(container.copy(disk)).encode(),
                      **{f"key material {i}": area for i, area in enumerate(areas[::16])}}


def _in_flash(disk, needles):
    """Names of those that are on the flash."""
    with open(disk, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return [name for name, needle in needles.items() if whole.find(needle) >= 0]


def _in_memory(memory, needles):
    return [f"{name} at {[hex(a) for a in found[:3]]}" for name, needle in needles.items() if (found := memory.find(needle))]


def _regions(image):
    shown = env.run([env.MVPCTL, "inspect", "--json", os.path.join(os.path.dirname(os.path.dirname(image)), "mini.yaml")]).stdout
    return {r["name"]: r for r in json.loads(shown)["memory"]["regions"]}


def _nothing_opens(office, secrets):
    path = container.copy(office.disk)
    check(not container.is_luks(path), "cryptsetup still finds a container")
    for name, secret in secrets.items():
        check(not container.opens(path, secret), f"the container still opens with {name}")
    check(_all_zero(path), "the data was neither discarded nor overwritten")


def _all_zero(path):
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            if piece.count(0) != len(piece):
                return False
    return True


def _after_a_start(office):
    """It stays wiped, and says so; there is no second receipt."""
    with office.boot_mini("wipe-again") as handset:
        handset.personal_ready()
        check_equal(state(handset), "wiped", "work after the next start")
        handset.send("mvp", f"unlock {PASSCODE}")
        handset.expect("mvp", "no persona is locked", LONG)
        handset.send("mvp", "receipt")
        handset.expect("mvp", r"receipt none\n", LONG)


def test_wipe_from_afar():
    image = mini.signed()
    office = Office("wipe", image, SERIAL)
    with open(office.device_key, "rb") as f:
        device_key = f.read()
    fresh = container.copy(office.disk)
    key = container.volume_key(fresh, PASSCODE.encode())
    recovery = container.recovery_key(fresh, os.path.join(mini.keys_folder(image), "escrow.key"))
    check(container.opens(fresh, recovery), "the recovery key does not open the container")
    bound = container.bound_secret(device_key, fresh, PASSCODE.encode())
    ram = _regions(image)["work"]
    server = Server()
    with office.boot_mini("wipe") as handset:
        handset.both_ready(PASSCODE)
        check(handset.said("mvp", "work: bound to this device"), "the passcode was not bound to the device")
        plain = _fill_work(handset)
        sent, got = _talk(handset)
        handset.lease("personal")
        handset.sh("personal", LOOP)
        url = server.url.replace("127.0.0.1", mini.HOST)
        handset.sh("personal", f"(mvp-agent --orders={url} --interval=1 2>/tmp/agent.log &) >/dev/null 2>&1")
        wait_until(lambda: len(server.requests) >= 3, LONG, "the agent asks for orders")

        # The searches find what is there to be found, or they prove nothing.
        used = container.copy(office.disk, "used")
        check(container.opens(used, bound), "the slot does not open by the bound secret")
        check(not container.opens(used, PASSCODE.encode()), "the slot opens by the passcode alone")
        check_equal({container.volume_key(used, secret) for secret in (bound, recovery)}, {key}, "the volume key after binding")
        secrets = Secrets(office, key, bound, office.disk)
        check_equal(_in_flash(office.disk, secrets.flash), list(secrets.flash), "what the search of the flash finds before the wipe")
        never = {"the passcode": PASSCODE.encode(), "the recovery key": recovery, "the slot's secret": bound,
                 "the slot's secret, as bytes": bytes.fromhex(bound.decode())}
        with handset.qmp.paused():
            before = Memory(handset.qmp)
            check_equal(len(_in_memory(before, secrets.schedule)), 30, "round keys that the search of memory finds before the wipe")
            check(before.find(plain), "the search of memory does not find work's data before the wipe")
            check(before.used(ram["address"], ram["size"]) > 16 << 20, "work's memory is not where it is expected")
            check(before.find(got), "the search of memory does not find what work got from the network before the wipe")
            check_equal(_in_memory(before, never), [], "what no memory should hold once work is open")

        begin = _uptime(handset)
        order = office.order("wipe", "--reason", "left in a taxi")
        with open(order, "rb") as f:
            server.order(f.read())
        handset.expect("mvp", "work: wiped", LONG)
        wait_until(lambda: server.receipt(1), LONG, "the receipt at the server")
        end = _uptime(handset)
        # A minute is the vault's own pace: whatever waits for that waits for nothing.
        check(end - begin < 60, f"the wipe took {end - begin:.0f} s")
        time.sleep(2)  # for a second receipt, which must not come
        _undisturbed(_loop(handset), begin, end)

        receipt = office.path("1.receipt")
        with open(receipt, "wb") as f:
            f.write(server.receipt(1)[0])
        office.judge(receipt, order, "done")
        check_equal([path for path in server.got if path.endswith(".receipt")], [f"/fleet/{DIGITS}/{SERIAL}.1.receipt"], "receipts")
        check_equal(state(handset), "wiped", "work after the wipe")

        with handset.qmp.paused():
            after = Memory(handset.qmp)
        mine = {"work's data": plain, "the seed of it": SEED.encode(), "what work sent": sent, "what work got": got}
        check_equal(_in_memory(after, secrets.schedule | never | mine), [], "what is left in memory")
        check_equal(after.used(ram["address"], ram["size"]), 0, "bytes of work's memory that were not scrubbed")
        handset.power_off(LONG)
    check_equal(_in_flash(office.disk, secrets.flash | {f"half {i}": key[32 * i:32 * i + 32] for i in range(2)} | {"data": plain}), [],
                "what is left on the flash")
    _nothing_opens(office, {"the passcode": PASSCODE.encode(), "the bound passcode": bound, "the recovery key": recovery,
                            "the volume key": key})
    _after_a_start(office)
    return 6
