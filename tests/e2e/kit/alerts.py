"""Alerts between the demo's personas, as someone sees them who holds the handset."""
import json
import os
import re
import time

from . import env
from .env import check

ALERT_COLOUR = (0xff, 0xc1, 0x07)  # of the trusted bar, and of the demo's pop-ups
BAR = 32  # lines of the trusted bar
POP_UP_LEAST = 2000  # pixels: three lines of text are many more
LATER_S = 3  # the other side comes to the front meanwhile

# What is sent: (app, category, title, body), by persona.
SENT = {"work": ("chat", "message", "Lunch at noon?", "bring the contract"), "personal": ("home", "calendar", "Cinema tonight", "at eight")}


def send_later(persona):
    """A shell command that sends the persona's alert in some seconds."""
    app, category, title, body = SENT[persona]
    return f"(sleep {LATER_S}; mvp-notify --app={app} --category={category} '{title}' '{body}') & true"


def shown(persona):
    """A pattern of the line on the other side's console. Work keeps its text to itself."""
    app, _, title, body = SENT[persona]
    text = r"\(the text stays on the work side\)" if persona == "work" else re.escape(body)
    return rf"\[{persona}\] {app}: {re.escape(title)} {text}"


def wait_pop_up(screen, seconds=20):
    """screen(): a Picture. Waits for an alert in the trusted bar and a pop-up below it; returns the picture."""
    end = time.monotonic() + seconds
    while True:
        picture = screen()
        bar, below = (part.get(ALERT_COLOUR, 0) for part in (picture.colours(0, BAR), picture.colours(BAR)))
        if bar and below >= POP_UP_LEAST:
            return picture
        check(time.monotonic() < end, f"no alert on the screen: {bar} pixels of its colour in the bar, {below} below it")
        time.sleep(0.3)


def memory(image):
    """{persona: (address, length)} of the memory of a handset made by mini.disk()."""
    shown = env.run([env.MVPCTL, "inspect", "--json", os.path.join(os.path.dirname(os.path.dirname(image)), "mini.yaml")]).stdout
    regions = {r["name"]: r for r in json.loads(shown)["memory"]["regions"]}
    return {persona: (regions[persona]["address"], regions[persona]["size"]) for persona in SENT}


def holds(handset, place, text):
    """Whether the bytes are anywhere in a persona's memory."""
    path = handset.pictures + ".ram"
    handset.qmp.ask("pmemsave", val=place[0], size=place[1], filename=path)
    with open(path, "rb") as f:
        found = text.encode() in f.read()
    os.unlink(path)
    return found
