"""How long an alert is under way: from the program that posts it in one persona to one that waits for it in the other."""
import os

import sides  # noqa: F401: finds the kit
from kit import mini
from table import OURS, Row

TITLE = "Alert from one persona to the other"
NOTES = [
    "Instructions of the whole machine from before the program asks its agent to send, to after the program on the other side has it:"
    " both agents, both kernels, vault and core; both agents write down what they have, here into memory. One CPU for both personas, an"
    " instruction is a tick of the counter, and so is the time in which nothing runs.",
    "Debian's kernel, nothing else to do; one alert at a time, half a second apart. The personal side is in front.",
]
COUNTED = ["-icount", "shift=4,sleep=off"]
COUNT, GAP_MS = 200, 500
AGENT = ("mkdir -p /var/lib /run; (mvp-agent 2>>/tmp/agent.log &) >/dev/null 2>&1; "
         "n=0; until mvp-agent status >/dev/null 2>&1 || [ $n = 50 ]; do n=$((n + 1)); sleep 0.2; done; mvp-agent status >/dev/null")
SAID_S = 400


def measured():
    """{(sender, reader): (median, 99th percentile)}"""
    image = mini.disk("alerts-bench", policy="policy: {notifications: {work-to-personal: full, rate: 100000, queue: 256}}\n")
    found = {}
    with mini.Mini(image, "alerts-bench", smp=1, options=[f"--qemu-arg={word}" for word in COUNTED]) as handset:
        handset.both_ready()
        for persona in ("personal", "work"):
            handset.sh(persona, AGENT, 120)
        for sender, reader in (("work", "personal"), ("personal", "work")):
            handset.send(reader, f"courier receive {COUNT}")
            handset.expect(reader, "^courier: waits", SAID_S)
            handset.sh(sender, f"courier send {COUNT} {GAP_MS}", SAID_S)
            said = handset.expect(reader, rf"^courier: {COUNT} alerts, median (\d+), 99 % (\d+), most \d+ ticks", SAID_S)
            found[sender, reader] = tuple(map(int, said.groups()))
        handset.power_off()
    os.unlink(image)
    return found


def measure(bench):
    found = bench.attempt("alerts", measured) or {}
    return [Row(f"{sender} to {reader}, {what} of {COUNT}", "instr", {OURS: n})
            for (sender, reader), figures in found.items() for what, n in zip(("median", "99th percentile"), figures)]
