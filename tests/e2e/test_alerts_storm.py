"""Alerts both ways while the screen is switched, agents are killed and personas are reset, all at random: none is lost, none comes twice,
those of a category stay in order, and each has what the policy leaves of it. A hundred in `make check`, thousands in `make soak`;
MVP_STORM says how many each way, MVP_STORM_SEED repeats a run."""
import collections
import os
import random
import re
import threading
import time

from kit import alerts, mini
from kit.cases import alone
from kit.env import Failure, check, check_equal
from kit.handset import loose

COUNT = int(os.environ.get("MVP_STORM", "50"))
SEED = int(os.environ.get("MVP_STORM_SEED", time.time_ns() % 1000000))
PERSONAS = ("personal", "work")
CATEGORIES = ("other", "call", "message", "mail", "calendar", "alarm", "system")
LEVELS = {"work": dict.fromkeys(CATEGORIES, "title") | {"mail": "count", "call": "full", "alarm": "none"},
          "personal": dict.fromkeys(CATEGORIES, "full") | {"mail": "count", "message": "title", "system": "none"}}
# A queue that is often full.
POLICY = """policy:
  notifications:
    work-to-personal: title
    personal-to-work: full
    categories:
      mail: {work-to-personal: count, personal-to-work: count}
      call: {work-to-personal: full}
      message: {personal-to-work: title}
      alarm: {work-to-personal: none}
      system: {personal-to-work: none}
    rate: 100000
    queue: 24
"""
BATCH = 25  # alerts between two looks at what became of them
KILLS = 0.05  # of the alerts: the agent is killed before
RESETS = 0.15  # of the batches: the persona is reset in one of them
SWITCH_S = (0.5, 3)
BATCH_S = 240

# post FIRST WORD...: an alert for each word, CATEGORY:TITLE:BODY, the last two its marks; `kill` ends the agent. Says what was taken.
POST = r"""#!/bin/sh
n=$1; shift
for word; do
	if [ $word = kill ]; then kill -9 $(pidof mvp-agent); continue; fi
	category=${word%%:*} marks=${word#*:}
	mvp-notify --config=/data/agent.conf --app=storm --category=$category $persona-${marks%:*}-$n $persona-${marks#*:}-${n}b && echo "P$n."
	n=$((n + 1))
done
"""
PREPARE = ("mkdir -p /data && mount -t ext4 /dev/userdata /data && "
           "printf 'state=/data/mvp\\nkeep=100000\\n' >/data/agent.conf && "
           "{ (while :; do mvp-agent --config=/data/agent.conf 2>>/tmp/agent.log; done &) >/dev/null 2>&1; }")


def mark(shown):
    return "seen" if shown else "hidden"


class Side(threading.Thread):
    """Sends the alerts of one persona and does to it what happens to personas."""

    def __init__(self, handset, persona, rng, halt):
        super().__init__(daemon=True)
        self.handset, self.persona, self.rng, self.halt = handset, persona, rng, halt
        self.category = {}  # of each alert that mvp-notify was asked to send, by number
        self.taken = set()  # those that it said are safe
        self.kills = self.resets = 0
        self.failure = None

    def prepare(self):
        lines = "".join(f"echo '{line}' >>/tmp/post; " for line in POST.splitlines())
        self.handset.sh(self.persona, f": >/tmp/post; {lines}chmod 755 /tmp/post; export persona; {PREPARE}")

    def _words(self):
        first, words = len(self.category), []
        for n in range(first, min(first + self.rng.randint(1, BATCH), COUNT)):
            category = self.category[n] = self.rng.choice(CATEGORIES)
            level = LEVELS[self.persona][category]
            if self.rng.random() < KILLS:
                words.append("kill")
                self.kills += 1
            words.append(f"{category}:{mark(level in ('title', 'full'))}:{mark(level == 'full')}")
        return first, words

    def _take(self, text):
        self.taken.update(map(int, re.findall(r"^P(\d+)\.$", text, re.M)))

    def batch(self):
        first, words = self._words()
        self._take(self.handset.sh(self.persona, f"/tmp/post {first} {' '.join(words)}", BATCH_S))

    def batch_and_reset(self):
        first, words = self._words()
        self.resets += 1
        start = len(self.handset.text[self.persona])
        # Without a word to the file systems. What the shell says last before it is no longer there comes first.
        delay, said = self.rng.uniform(0.1, 1.5), f"RESET{self.resets}"
        self.handset.send(self.persona, f"echo {said[0]}''{said[1:]}; (sleep {delay:.1f}; reboot -nf) & "
                                        f"/tmp/post {first} {' '.join(words)}; sleep 100")
        self.handset.expect(self.persona, rf"^.*{loose(said)}\n", 60)
        self.handset.expect(self.persona, loose(f"{self.persona}:/# "), mini.BOOT_S)
        self._take(self.handset.text[self.persona][start:])
        self.prepare()

    def run(self):
        try:
            while len(self.category) < COUNT and not self.halt.is_set():
                if self.rng.random() < RESETS or (not self.resets and len(self.category) > COUNT / 2):
                    self.batch_and_reset()
                else:
                    self.batch()
        except Failure as e:
            self.failure = str(e)
            self.halt.set()


def received(handset, persona):
    """[(id, category, title, all its text)] of the alerts that the persona has, in the order that they came in."""
    shown = handset.sh(persona, "mvp-agent --config=/data/agent.conf list", 600)
    texts = handset.sh(persona, "cd /data/mvp/in; strings -n 6 -f *; cd /", 600)
    listed = re.findall(r"^(\d+) (\w+) normal ?(?:storm: (\S+))?.*$", shown, re.M)
    by_title = collections.Counter(re.findall(r"^\d+: (storm\S+)$", texts, re.M))
    return [(int(number), category, title) for number, category, title in listed], by_title


def wait_for_last(handset, sender, receiver, seconds=120):
    """What comes behind everything else is there. The receiver may be far behind, but there is no time without another one."""
    handset.sh(sender, "mvp-notify --config=/data/agent.conf --app=storm --category=call Last", 60)
    end, last = time.monotonic() + seconds, None
    while True:
        shown = handset.sh(receiver, "mvp-agent --config=/data/agent.conf list | tail -n 1", 60)
        newest = re.search(r"^\d+ .*$", shown, re.M)
        if newest and "storm: Last" in newest[0]:
            return
        if newest and newest[0] != last:
            end, last = time.monotonic() + seconds, newest[0]
        check(time.monotonic() < end, f"what {sender} sent last did not come; the last of it is {last}")
        time.sleep(1 if COUNT < 1000 else 10)  # to list thousands takes the time in which others would come


def verify(side, got, texts):
    sender, levels = side.persona, LEVELS[side.persona]
    ids = [number for number, _, _ in got]
    check(ids == sorted(set(ids)), f"alerts of {sender} came twice or out of order: {[b for a, b in zip(ids, ids[1:]) if b <= a]}")
    titles = [title for _, _, title in got if title and title != "Last"]
    numbers = [int(title.rsplit("-", 1)[1]) for title in titles]
    check_equal(len(numbers), len(set(numbers)), f"alerts of {sender}, and different ones")
    sent_of = {level: {n for n, c in side.category.items() if levels[c] == level} for level in ("none", "count", "title", "full")}
    shown = sent_of["title"] | sent_of["full"]
    lost = (shown & side.taken) - set(numbers)
    check(not lost, f"alerts of {sender} were lost: {sorted(lost)}")
    check(set(numbers) <= shown, f"alerts of {sender} that the policy keeps: {sorted(set(numbers) - shown)}")
    bare = sum(1 for _, _, title in got if not title)
    check(len(sent_of["count"] & side.taken) <= bare <= len(sent_of["count"]),
          f"{bare} bare alerts of {sender}; {len(sent_of['count'])} were sent, {len(sent_of['count'] & side.taken)} for certain")
    for category in CATEGORIES:
        order = [int(title.rsplit("-", 1)[1]) for _, c, title in got if c == category and title and title != "Last"]
        check(order == sorted(order), f"{category} of {sender} out of order: {order}")
        check(all(side.category[n] == category for n in order), f"alerts of {sender} changed their category to {category}")
    for n in numbers:
        body = f"{sender}-seen-{n}b" if n in sent_of["full"] else ""
        check_equal(texts[f"storm{sender}-seen-{n}{body}"], 1, f"alert {n} of {sender} with what the policy leaves of it")


def storm(handset, sides, rng):
    """Until both have sent all; what happens to the screen meanwhile. Returns the number of switches."""
    switches = 0
    for side in sides:
        side.start()
    while any(side.is_alive() for side in sides):
        time.sleep(rng.uniform(*SWITCH_S))
        handset.send("mvp", "switch")
        switches += 1
    for side in sides:
        check(side.failure is None, side.failure)
        check_equal(len(side.category), COUNT, f"alerts that {side.persona} was asked to send")
    return switches


@alone
def test_storm():
    rng, halt = random.Random(SEED), threading.Event()
    print(f"    MVP_STORM={COUNT} MVP_STORM_SEED={SEED}", flush=True)
    image = mini.disk("storm", policy=POLICY, userdata=32 + COUNT // 50)
    with mini.Mini(image, "storm") as handset:
        sides = [Side(handset, persona, random.Random(rng.random()), halt) for persona in PERSONAS]
        handset.personal_ready()
        sides[0].prepare()
        sides[0].batch()  # for one that is locked
        handset.send("mvp", f"unlock {mini.PASSCODE}")
        handset.work_ready()
        sides[1].prepare()
        start = time.monotonic()
        switches = storm(handset, sides, rng)
        for side, other in ((sides[0], sides[1]), (sides[1], sides[0])):
            wait_for_last(handset, side.persona, other.persona)
        seconds = time.monotonic() - start
        for side, other in ((sides[0], sides[1]), (sides[1], sides[0])):
            got, texts = received(handset, other.persona)
            verify(side, got, texts)
            print(f"    {side.persona}: {len(side.category)} sent, {len(side.taken)} of them for certain; {len(got) - 1} came; "
                  f"{side.kills} kills, {side.resets} resets", flush=True)
        for persona in PERSONAS:  # what the search has to find: a hard reset may have taken all else
            handset.sh(persona, f"kept={persona}-hidden-at-last")
        ram = alerts.memory(image)
        check(alerts.holds(handset, ram["personal"], "work-seen-"), "the search does not find what work sent in the personal side's memory")
        for persona, other in (PERSONAS, PERSONAS[::-1]):
            hidden = f"{persona}-hidden-"
            check(alerts.holds(handset, ram[persona], hidden), f"the search does not find what {persona} keeps in its own memory")
            check(not alerts.holds(handset, ram[other], hidden), f"what the policy keeps of {persona}'s is in the other's memory")
        print(f"    {switches} switches, {seconds:.0f} s", flush=True)
    os.unlink(image)
    return 6
