"""Alerts from one persona to the other, by the real agents: policy, the bar, withdrawing and dismissing, the clipboard, opening."""
import os
import re
import shutil
import time

from kit import alerts, build, env, mini
from kit.alerts import ALERT_COLOUR, BAR
from kit.env import check, check_equal, wait_until
from kit.handset import Handset
from kit.qmp import Qmp

PERSONAS = ("personal", "work")
POLICY = """policy:
  notifications:
    work-to-personal: title
    personal-to-work: full
    categories: {mail: {work-to-personal: count}, call: {work-to-personal: full}, system: {personal-to-work: none}}
    rate: 100000
    queue: 256
  clipboard: personal-to-work
  switch-request: [personal]
"""
SECRET = "the-secret-body-7319"
HOOK = r"""#!/bin/sh
echo "$MVP_KIND $MVP_FROM $MVP_ID $MVP_CATEGORY $MVP_LEVEL $MVP_MINE [$MVP_APP] [$MVP_TITLE] [$(cat)]" >>/tmp/hook
"""


def start_agent(handset, persona):
    handset.sh(persona, "mkdir -p /var/lib /run; (while :; do mvp-agent --hook=/tmp/hook.sh --keep=20000 2>>/tmp/agent.log; done &) "
               ">/dev/null 2>&1; n=0; until mvp-agent status >/dev/null 2>&1 || [ $n = 50 ]; do n=$((n + 1)); sleep 0.2; done; "
               "mvp-agent status >/dev/null", 60)


def prepare(handset, persona):
    lines = "".join(f"echo '{line}' >>/tmp/hook.sh; " for line in HOOK.splitlines())
    handset.sh(persona, f"{lines}chmod 755 /tmp/hook.sh; : >/tmp/hook")
    start_agent(handset, persona)


def listed(handset, persona):
    shown = handset.sh(persona, "mvp-agent list")
    return re.findall(r"^(\d+) (\w+) (\w+)(.*)$", shown, re.M)


def wait_listed(handset, persona, count, seconds=30):
    end = time.monotonic() + seconds
    while len(found := listed(handset, persona)) != count:
        check(time.monotonic() < end, f"{persona} has the alerts {found}, expected {count}")
        time.sleep(0.3)
    return found


def wait_hook(handset, persona, pattern, seconds=30):
    end = time.monotonic() + seconds
    while not re.search(pattern, shown := handset.sh(persona, "cat /tmp/hook"), re.M):
        check(time.monotonic() < end, f"{persona}'s hook did not get /{pattern}/:\n{shown}")
        time.sleep(0.3)


def _policy(handset):
    handset.sh("work", f"mvp-notify --app=chat --category=message 'A meeting' {SECRET}")
    handset.sh("work", f"mvp-notify --app=post --category=mail 'A letter' {SECRET}")
    handset.sh("work", "mvp-notify --app=phone --category=call --priority=urgent 'Mrs Who' 'is calling'")
    handset.sh("personal", "mvp-notify --app=home --category=system 'Not for work' 'at all'")
    handset.sh("personal", "printf 'two\\nlines' | mvp-notify --app=home 'For work' -")
    found = wait_listed(handset, "personal", 3)
    check_equal([(category, priority, rest) for _, category, priority, rest in found],
                [("message", "normal", " chat: A meeting"), ("other", "normal", " (nothing more is known here)"),
                 ("call", "urgent", " phone: Mrs Who")], "alerts of work on the personal side")
    check_equal(wait_listed(handset, "work", 1)[0][1:], ("other", "normal", " home: For work"), "alerts of personal on the work side")
    wait_hook(handset, "personal", r"^alert work \d+ call full 0 \[phone\] \[Mrs Who\] \[is calling\]$")
    wait_hook(handset, "personal", r"^alert work \d+ message title 0 \[chat\] \[A meeting\] \[\]$")
    wait_hook(handset, "work", r"^alert personal \d+ other full 0 \[home\] \[For work\] \[two$")


def _bar(handset):
    """The bar of the persona in front says how many alerts the other one has."""
    check_equal(handset.front(), "personal", "in front")
    wait_until(lambda: ALERT_COLOUR in handset.screen().colours(0, BAR), 20, "no alert in the bar")


def _dismiss(handset):
    """On the receiver's side, and by the sender."""
    first, second, third = (number for number, *_ in listed(handset, "personal"))
    handset.sh("personal", f"mvp-agent dismiss {first}")
    wait_hook(handset, "work", rf"^dismiss personal {first} \w+ \w+ 1 ")
    handset.sh("personal", f"mvp-agent dismiss {second}; mvp-agent dismiss {third}")
    wait_listed(handset, "personal", 0)
    wait_until(lambda: ALERT_COLOUR not in handset.screen().colours(0, BAR), 20, "the bar still shows alerts that were dismissed")
    handset.sh("work", "mvp-notify --key=k1 Withdrawn")
    wait_listed(handset, "personal", 1)
    handset.sh("work", "mvp-notify --withdraw=k1")
    wait_listed(handset, "personal", 0)
    handset.sh("work", "mvp-notify --withdraw=k1", status=1)


def _clipboard(handset):
    handset.sh("personal", "echo 'copied text' | mvp-agent copy")
    wait_hook(handset, "work", r"^clipboard personal 0 \w+ full 0 \[\] \[\] \[copied text\]$")
    # All of what fits, nothing of what does not.
    fill = "{ n=0; while [ $n -lt 512 ]; do printf 'sixteen letters.'; n=$((n + 1)); done"
    handset.sh("personal", f"{fill}; echo; }} | mvp-agent copy", status=1)
    handset.sh("personal", f"{fill}; }} | mvp-agent copy")
    until = "n=0; until [ $(grep -c ^clipboard /tmp/hook) = 2 ] || [ $n = 60 ]; do n=$((n + 1)); sleep 0.5; done"
    text = "grep ^clipboard /tmp/hook | tail -n 1 | sed 's/.* .. .. .//; s/.$//'"
    shown = handset.sh("work", f"{until}; {text} >/tmp/clip; wc -c </tmp/clip; "
                       "tr -d '\\n' </tmp/clip | sed 's/sixteen letters.//g' | wc -c", 60)
    check_equal(shown.split(), ["8193", "0"], "bytes of the clipboard with the line's end, and of what was not copied")
    handset.sh("work", "echo 'work text' | mvp-agent copy; mvp-notify Marker")
    wait_hook(handset, "personal", r"Marker")
    check("work text" not in handset.sh("personal", "cat /tmp/hook"), "the clipboard of work went to the personal side")


def _open(handset):
    number = wait_listed(handset, "personal", 1)[0][0]
    handset.sh("personal", f"mvp-agent open {number}")
    wait_hook(handset, "work", rf"^open personal {number} \w+ \w+ 1 ")
    handset.wait_front("work", "after an alert of it was opened")
    # The policy lets only the personal side ask.
    number = wait_listed(handset, "work", 1)[0][0]
    handset.sh("work", f"mvp-agent open {number}; mvp-notify AfterOpen")
    wait_hook(handset, "personal", "AfterOpen")
    check_equal(handset.front(), "work", "in front after a request that was denied")


def _secrecy(handset, image):
    """What the policy withholds is nowhere in the other side's memory; what it lets through, and the sender's own, are."""
    ram = alerts.memory(image)
    handset.sh("work", f"mvp-notify --category=message Title-{SECRET[::-1]} {SECRET}")
    wait_hook(handset, "personal", f"Title-{SECRET[::-1]}")
    title = "Title-" + SECRET[::-1]
    check(alerts.holds(handset, ram["personal"], title), "the search does not find the title in the personal side's memory")
    check(alerts.holds(handset, ram["work"], SECRET), "the search does not find the body in work's own memory")
    check(not alerts.holds(handset, ram["personal"], SECRET), "the body of work's alert is in the personal side's memory")


def test_alerts():
    image = mini.disk("alerts", policy=POLICY)
    with mini.Mini(image, "alerts") as handset:
        handset.both_ready()
        for persona in PERSONAS:
            prepare(handset, persona)
        steps = (_policy, _bar, _dismiss, _clipboard, _open)
        for step in steps:
            step(handset)
        _secrecy(handset, image)
    os.unlink(image)
    return len(steps) + 1


def test_demo():
    """The demo's systems: an alert of one pops up on the other's screen while that is in front, and is counted in the bar."""
    folder, socket_folder = env.fresh("demo-alerts"), env.short_folder()
    disk, path = os.path.join(folder, "flash.img"), os.path.join(socket_folder, "q")
    env.copy_sparse(build.built().disk, disk)
    try:
        with Handset(disk, "demo-alerts", arguments=(f"--qmp=unix:{path}",)) as handset, Qmp(path) as qmp:
            handset.personal_ready()
            handset.unlock(build.passcode().decode())
            for sender, reader in (("work", "personal"), ("personal", "work")):
                if sender == "personal":
                    handset.send("mvp", "switch")
                handset.send("mvp", "status")
                check_equal(handset.expect("mvp", r"^status front (\w+)\n")[1], reader, "in front")
                before = qmp.screen(os.path.join(folder, "screen.ppm"))
                check(ALERT_COLOUR not in before.colours(), "an alert is shown before there is one")
                handset.sh(sender, alerts.send_later(sender))
                handset.expect(reader, alerts.shown(sender), 60)
                alerts.wait_pop_up(lambda: qmp.screen(os.path.join(folder, "screen.ppm")))
            check(alerts.SENT["work"][3] not in handset.text["personal"], "the text of work's alert came to the personal side")
    finally:
        shutil.rmtree(socket_folder)
    return 4


COUNTED = ("-icount", "shift=4,sleep=off")
FLOOD_S = 6
RATE, QUEUE = 6, 16
FAIR = 0.8  # seen: 0.90 beside items, 1.31 beside a sender that does not read, 0.93 beside garbage
WORK_S = 2  # of counting
BURST_S = 2  # until the receiver has dealt with what a sender may send at once


def _counted(handset, persona):
    """How far the persona's shell counts in some seconds, from the beginning of one on, without a process of its own for each."""
    until = "while [ ${up%.*} -lt $end ]; do read -r up rest </proc/uptime; n=$((n + 1)); done"
    shown = handset.sh(persona, f"read -r up rest </proc/uptime; end=$((${{up%.*}} + 1)); {until}; "
                       f"n=0; end=$((end + {WORK_S})); {until}; echo n $n", 60)
    return int(re.search(r"^n (\d+)", shown, re.M)[1])


def test_flood():
    """A sender that sends all it can, reads nothing, or talks nonsense is limited, and the other persona does at least FAIR of what it does
    beside one that only counts. Time is counted in instructions, of one CPU for both."""
    image = mini.disk("flood", policy=f"policy: {{notifications: {{work-to-personal: full, rate: {RATE}, queue: {QUEUE}}}}}\n")
    with mini.Mini(image, "flood", smp=1, options=[f"--qemu-arg={word}" for word in COUNTED]) as handset:
        handset.both_ready()
        prepare(handset, "personal")
        handset.sh("work", f"timeout {2 * WORK_S} sh -c 'while :; do :; done' & true")
        usual = _counted(handset, "personal")
        for kind in ("items", "mute", "garbage"):
            before, start = len(listed(handset, "personal")), time.monotonic()
            handset.send("work", f"courier flood {kind} {FLOOD_S}")
            handset.expect("work", "^flood: begun", 30)
            handset.sh("personal", f"sleep {BURST_S}", 20)
            beside = _counted(handset, "personal")
            handset.sh("personal", f"mvp-agent status >/dev/null; mvp-notify During-{kind}", 20)
            found = handset.expect("work", r"^flood: (\d+) written, (\d+) taken, (\d+) busy, (\d+) errors", 60)
            seconds = time.monotonic() - start
            written, taken, busy, errors = map(int, found.groups())
            came, most = len(listed(handset, "personal")) - before, QUEUE + RATE * seconds / 60 + 2
            print(f"    {kind}: {written} bytes written, {taken} taken, {busy} busy, {errors} errors; {came} came; "
                  f"counted {beside} beside it, {usual} beside a loop", flush=True)
            check(came <= most and taken <= most, f"{came} alerts came of {taken} in {seconds:.0f} s: more than {most:.0f}")
            check(beside >= FAIR * usual, f"the other persona counted {beside} beside the flood, {usual} beside a loop")
            # The flood was one.
            check({"items": busy > 10, "mute": written > 1000, "garbage": errors > 3}[kind], f"no flood of {kind}")
        # Who keeps the rules is served, in both directions.
        prepare(handset, "work")
        for kind in ("items", "mute", "garbage"):
            wait_hook(handset, "work", f"During-{kind}", 60)
        handset.sh("work", "mvp-notify Afterwards")
        wait_hook(handset, "personal", "Afterwards", 60)
        handset.power_off()
    os.unlink(image)
    return 8
