"""What `mvpctl run` keeps of the screen: a picture of the end and a film of all, by the real QEMU."""
import os
import struct
import zlib

from kit import env, mini
from kit.env import check, check_equal

SIZE = (480, 992)


def _chunks(path):
    with open(path, "rb") as f:
        data = f.read()
    check(data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG")
    at = 8
    while at < len(data):
        length, = struct.unpack_from(">I", data, at)
        body = data[at + 4:at + 8 + length]
        check(zlib.crc32(body) == struct.unpack_from(">I", data, at + 8 + length)[0], f"{path}: a chunk's CRC is wrong")
        yield body[:4].decode(), body[4:]
        at += 12 + length


def _first_pixel(packed):
    """Of a picture's compressed lines: nothing precedes it, so that every filter leaves it as it is (PNG specification, 9.2)."""
    return tuple(zlib.decompress(packed)[1:4])


def _film(path):
    """The frames' compressed lines, and how long each is shown in seconds."""
    frames, delays, announced = [], [], None
    for kind, data in _chunks(path):
        if kind == "IHDR":
            check_equal(struct.unpack(">II", data[:8]), SIZE, "the film's size")
        elif kind == "acTL":
            announced = struct.unpack(">I", data[:4])[0]
        elif kind == "fcTL":
            frames.append(b"")
            delays.append(struct.unpack(">HH", data[20:24]))
        elif kind in ("IDAT", "fdAT"):
            frames[-1] += data if kind == "IDAT" else data[4:]
    check_equal(len(frames), announced, "frames of the film")
    return frames, sum(a / b for a, b in delays)


def test_pictures_of_a_session():
    """Switched, then switched off: the film has both personas' bars, its end is the screenshot's picture, neither is there before."""
    folder = env.fresh("run-pictures")
    shot, film = os.path.join(folder, "shot.png"), os.path.join(folder, "film.png")
    with mini.Mini(mini.built(), "run-pictures", options=("--disk-snapshot", "--screenshot", shot, "--record", film)) as handset:
        handset.personal_ready()
        handset.qmp.press("meta_l", "tab")
        handset.expect("mvp", r"^front work$", 20)
        handset.send("mvp", f"unlock {mini.PASSCODE}")
        handset.work_ready()
        check(os.listdir(folder) and not os.path.exists(shot) and not os.path.exists(film), "a picture appeared before its time")
        handset.send("mvp", "poweroff")
        check_equal(handset.wait(), 0, "status after the power-off")
    check_equal(sorted(os.listdir(folder)), ["film.png", "shot.png"], "files left")
    frames, seconds = _film(film)
    colours = [_first_pixel(f) for f in frames]
    for persona, colour in mini.COLOURS.items():
        check(colour in colours, f"the bar of {persona} is in none of {len(frames)} frames")
    check(seconds > 1, f"the film lasts {seconds} s")
    check(all(a != b for a, b in zip(frames, frames[1:])), "a frame is the same as the one before")
    check(frames[-1] == b"".join(data for kind, data in _chunks(shot) if kind == "IDAT"), "the film does not end with the screenshot")
