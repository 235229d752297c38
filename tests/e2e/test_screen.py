"""What is on the glass, by QEMU's screendump: frames, trusted bar and lock screen, while both personas draw what they like."""
import re
import time

from kit import mini
from kit.env import check, check_equal

WIDTH, HEIGHT, BAR = 480, 960, 32
PAINT = {"personal": (0x10, 0x30, 0x90), "work": (0x70, 0x10, 0x50)}  # what each fills its frame with; no colour of the vault's
SHOWN_S = 20
DIGITS = set(range(2, 12)) | {28}  # key codes of 1 to 0, and of Enter
KEY_A = 30


def _settled(handset, right, what):
    """The first picture that is right; what is drawn takes a moment."""
    end = time.monotonic() + SHOWN_S
    while True:
        picture = handset.screen()
        if right(picture):
            return picture
        if time.monotonic() > end:
            path = handset.pictures + ".failed"
            handset.qmp.ask("screendump", filename=path)
            check(False, f"not on the screen within {SHOWN_S} s: {what}; see {path}")
        time.sleep(0.2)


def _frame_is(colour):
    return lambda picture: picture.colours(BAR) == {colour: WIDTH * HEIGHT}


def _mostly(picture, first, count, colour):
    """Whether the first pixel of the lines has the colour and no other has more."""
    colours = picture.colours(first, count)
    return picture.at(0, first) == colour and max(colours, key=colours.get) == colour


def _without(picture, colour):
    return colour not in picture.colours(BAR)


def _paint(handset, persona, colour):
    """Fills the frame; the kernel's text console lets go of it before."""
    pixel = "".join(f"\\{part:03o}" for part in (*reversed(colour), 0))
    handset.sh(persona, "for c in /sys/class/vtconsole/vtcon*; do ! grep -q 'frame buffer' $c/name || echo 0 >$c/bind; done; "
               f"printf '{pixel}' >/tmp/p; n=4; while [ $n -lt {4 * WIDTH * HEIGHT} ]; do cat /tmp/p /tmp/p >/tmp/q; mv /tmp/q /tmp/p; "
               "n=$((n * 2)); done; cat /tmp/p >/dev/fb0 2>/dev/null", status=None)


def _bar_same(handset, act):
    """Does something, and shows that not a pixel of the bar differs. Only its clock may, and twice in a row it cannot."""
    for _ in range(2):
        before = handset.screen().rows(0, BAR)
        act()
        if handset.screen().rows(0, BAR) == before:
            return
    check(False, "the pixels of the bar changed")


def _keys(handset, persona):
    shown = handset.sh(persona, "cat /tmp/events")
    return {int(code) for code in re.findall(r"^\d+ 1 (\d+) ", shown, re.M)}


def _fake_bar(handset):
    """The other persona's bar, copied to the first lines of the frame and beyond its end."""
    _paint(handset, "personal", mini.COLOURS["work"])
    _settled(handset, _frame_is(mini.COLOURS["work"]), "the frame in the other persona's colour")
    handset.sh("personal", "dd if=/tmp/p of=/dev/fb0 bs=4096 seek=450 count=1024 2>/dev/null", status=None)


def _lock_screen(handset):
    qmp = handset.qmp
    handset.sh("personal", "probe events >/tmp/events 2>&1 & sleep 0.5")
    qmp.press("a")
    qmp.press("meta_l", "tab")
    locked = _settled(handset, lambda p: _without(p, PAINT["personal"]), "the lock screen")
    check_equal(handset.front(), "work", "in front")
    check(_mostly(locked, 0, BAR - 2, (255, 255, 255)), "the lock screen's bar is not the vault's")
    check(len(locked.colours(BAR)) > 2, "the lock screen is empty")
    qmp.press("1")
    _settled(handset, lambda p: p.rows(BAR, HEIGHT) != locked.rows(BAR, HEIGHT), "a dot for the key typed")
    qmp.press("ret")
    handset.expect("mvp", "wrong passcode", 60)
    qmp.type(mini.PASSCODE + "\n")
    handset.work_ready()
    seen = _keys(handset, "personal")
    check(KEY_A in seen, f"personal saw the keys {seen}, not the one it was to see")
    check(not seen & DIGITS, f"personal saw keys that were typed for the vault: {seen}")


def test_screen():
    with mini.Mini(mini.built(), "screen") as handset:
        handset.personal_ready()
        _paint(handset, "personal", PAINT["personal"])
        picture = _settled(handset, _frame_is(PAINT["personal"]), "personal's frame")
        check_equal((picture.width, picture.height), (WIDTH, HEIGHT + BAR), "the size of the screen")
        check(_mostly(picture, 0, BAR - 2, mini.COLOURS["personal"]), "the bar is not in personal's colour")
        check(len(picture.colours(0, BAR)) > 2, "there is nothing in the bar")
        _bar_same(handset, lambda: _fake_bar(handset))
        _paint(handset, "personal", PAINT["personal"])
        _settled(handset, _frame_is(PAINT["personal"]), "personal's frame again")
        _lock_screen(handset)
        work = _settled(handset, lambda p: _mostly(p, 0, BAR - 2, mini.COLOURS["work"]), "work's bar")
        check(_without(work, PAINT["personal"]), "personal's pixels are on work's new screen")
        _paint(handset, "work", PAINT["work"])
        _settled(handset, _frame_is(PAINT["work"]), "work's frame")
        for persona in ("personal", "work"):
            handset.qmp.press("meta_l", "tab")
            handset.wait_front(persona, "after the chord")
            # The switch is done: the very next picture is the other phone, whole.
            picture = handset.screen()
            check(_frame_is(PAINT[persona])(picture), f"not only {persona}'s pixels after the switch")
            check(_mostly(picture, 0, BAR - 2, mini.COLOURS[persona]), f"the bar is not in {persona}'s colour after the switch")
    return 8
