"""What it takes to switch the screen: from the interrupt of the key that completes the chord to the write that changes the scan-out."""
import os
import re
import time

import sides  # noqa: F401: finds the kit
from kit import mini
from kit.env import check
from table import OURS, Row, at_most

TITLE = "Switch of the screen by its keys (hypervisor.build: measure)"
NOTES = [
    "Instructions from the core's entry for the keyboard's interrupt to the end of the write to the display that shows the other screen;"
    " input, weights and console follow, the bars are drawn after that. One CPU for all, an instruction is a tick of the counter.",
    "The personas are Debian's kernel, on their text consoles; no frame is copied, so what they draw changes nothing.",
]
COUNTED = ["-icount", "shift=4,sleep=off"]
LIMIT = 20000
TIMES = 8  # each way
CHORD = ("meta_l", "tab")
SAID_S = 60


def switched(handset, first):
    """[ticks, ticks]: the most that the switches from `first` and those back to it took."""
    most = [0, 0]
    check(handset.front() == first, f"{first} is not in front")
    for i in range(2 * TIMES):
        handset.qmp.press(*CHORD)
        time.sleep(0.2)  # the last key is up before the chord begins again
        ticks = int(handset.expect("mvp", r"^switch (\d+) ticks\n", SAID_S)[1])
        check(ticks, "a switch that took no time")
        most[i % 2] = max(most[i % 2], ticks)
    check(handset.front() == first, f"{first} is not in front after an even number of switches")
    return most


def measured():
    """{what: instructions}."""
    image = mini.disk("switch", hypervisor=", build: measure")
    options = [f"--qemu-arg={word}" for word in COUNTED]
    with mini.Mini(image, "switch", smp=1, options=options) as handset:
        handset.personal_ready()
        locked = switched(handset, "personal")
        handset.send("mvp", f"unlock {mini.PASSCODE}")
        handset.work_ready()
        both = switched(handset, "personal")
        check(not re.search("display does not answer", handset.text["mvp"]), "the display did not answer")
    os.unlink(image)
    return {"to the lock screen": locked[0], "from the lock screen": locked[1], "to the work persona": both[0], "back": both[1]}


def measure(bench):
    found = bench.attempt("switch of the screen", measured)
    return [Row(f"switch {what}, the most of {TIMES}", "instr", {OURS: n}, (at_most(LIMIT),)) for what, n in (found or {}).items()]
