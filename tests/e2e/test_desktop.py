"""mvp-agent on a session's bus: dbus-daemon, with a notification server and programs that are played here by another implementation of
D-Bus (jeepney), and an agent's socket that the test holds. On a handset with a real server: test_alerts_desktop.py."""
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

sys.path.append("/usr/lib/python3/dist-packages")
from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return, new_signal  # noqa: E402
from jeepney.io.blocking import open_dbus_connection  # noqa: E402

from kit import env  # noqa: E402
from kit.env import check, check_equal, wait_until  # noqa: E402

AGENT = os.path.join(env.O, "share", "mvp", "guest", "tools", "usr", "bin", "mvp-agent")
NAME = "org.freedesktop.Notifications"
SERVICE = DBusAddress("/org/freedesktop/Notifications", NAME, NAME)
DAEMON = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
ITEM = "<6B3HI2Q"  # struct mvp_notify_item
ALERT = 1
CATEGORIES = ("other", "call", "message", "mail", "calendar", "alarm", "system")
OPEN, DISMISS = 1, 2
QUIET = 2
EXPIRED, BY_USER, BY_CALL = 1, 2, 3


class Bus:
    """dbus-daemon of a session."""

    def __init__(self):
        self.folder = env.short_folder()
        self.path = os.path.join(self.folder, "bus")
        self.address = f"unix:path={self.path}"
        self.process = subprocess.Popen([env.program("dbus-daemon"), "--session", "--nofork", "--nopidfile", f"--address={self.address}"],
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), 20, "the bus")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


class Server:
    """A notification server that shows nothing."""

    def __init__(self, bus, capabilities=("body", "body-markup", "actions")):
        self.capabilities, self.shown, self.closed, self.last = list(capabilities), {}, [], 0
        self.owners = {}
        self.connection = open_dbus_connection(bus.address)
        self.connection.send_and_get_reply(new_method_call(DAEMON, "RequestName", "su", (NAME, 4)))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError, ValueError):
            while True:
                message = self.connection.receive()
                if message.header.message_type == MessageType.method_call:
                    self._answer(message)

    def _answer(self, message):
        member = message.header.fields[HeaderFields.member]
        if member == "GetCapabilities":
            self.connection.send(new_method_return(message, "as", (self.capabilities,)))
        elif member == "Notify":
            self.last = message.body[1] or self.last + 1
            self.owners[self.last] = message.header.fields[HeaderFields.sender]
            self.shown[self.last] = message.body
            self.connection.send(new_method_return(message, "u", (self.last,)))
        elif member == "CloseNotification":
            self.connection.send(new_method_return(message))
            if self.shown.pop(message.body[0], None):
                self.closed.append(message.body[0])
                self.signal("NotificationClosed", "uu", (message.body[0], BY_CALL))
        else:
            self.connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))

    def signal(self, member, signature, body):
        """To who showed it, as dunst does."""
        message = new_signal(SERVICE, member, signature, body)
        message.header.fields[HeaderFields.destination] = self.owners[body[0]]
        self.connection.send(message)

    def close(self, number, reason):
        self.shown.pop(number)
        self.signal("NotificationClosed", "uu", (number, reason))

    def end(self):
        self.connection.close()


class Desktop:
    """mvp-agent desktop, with the agent's end of its socket."""

    def __init__(self, bus, epoch="5"):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.process = subprocess.Popen([env.program("qemu-aarch64"), AGENT, "desktop", bus.path], stdin=theirs)
        theirs.close()
        self.say(f"H{epoch} work")

    def say(self, text):
        self.socket.send(text.encode() if isinstance(text, str) else text)

    def hear(self):
        return self.socket.recv(65536)

    def hears(self, text):
        check_equal(self.hear(), text.encode(), "from the desktop")

    def silent(self):
        """Nothing was said: what is asked for now is the first that comes."""
        self.socket.settimeout(0.5)
        try:
            return check(False, f"the desktop says {self.hear()!r}")
        except TimeoutError:
            self.socket.settimeout(20)

    def alert(self, number, title, body="", app="chat", category="message", priority=1, actions=OPEN | DISMISS, flags=0):
        texts = [text.encode() for text in (app, title, body)]
        self.say(b"I" + struct.pack(ITEM, ALERT, CATEGORIES.index(category), priority, actions, 3, flags, *map(len, texts), 0, number, 0) +
                 b"".join(texts))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.socket.close()


def notify(connection, *, replaces=0, app="mailer", title="Hello", body="", hints=None):
    """A program shows something. Returns its number."""
    return connection.send_and_get_reply(new_method_call(
        SERVICE, "Notify", "susssasa{sv}i", (app, replaces, "", title, body, [], hints or {}, -1))).body[0]


def unpack(packet):
    """(key, category, priority, app, title, body) of an alert for the other side."""
    head, item = packet.split(b"\n", 1)
    check(head[:1] == b"P", f"no alert: {packet!r}")
    kind, category, priority, _, level, flags, *lengths, reserved, number, when = struct.unpack_from(ITEM, item)
    check_equal((kind, level, flags, reserved, number), (ALERT, 0, 0, 0, 0), "an alert of a program")
    check(when, "an alert without a time")
    texts, at = [], struct.calcsize(ITEM)
    for length in lengths:
        texts.append(item[at:at + length].decode())
        at += length
    check_equal(at, len(item), "length of the alert")
    return head[1:].decode(), CATEGORIES[category], priority, *texts


def test_alerts_of_the_other_side():
    with Bus() as bus:
        server = Server(bus)
        with Desktop(bus) as desktop:
            desktop.hears("A0")
            desktop.alert(3, "Lunch <at> noon?", "salt & <pepper>", priority=3)
            wait_until(lambda: 1 in server.shown, 20, "the alert at the server")
            app, _, _, title, body, actions, hints, timeout = server.shown[1]
            check_equal((app, title, body), ("chat", "work: Lunch <at> noon?", "salt &amp; &lt;pepper&gt;"), "what the server was asked to show")
            check_equal((actions, timeout), (["default", "Open"], -1), "its actions, and for how long")
            check_equal(hints, {"urgency": ("y", 2), "category": ("s", "im.received")}, "its hints")
            desktop.alert(4, "", app="", category="other", actions=DISMISS)
            desktop.alert(5, "Quiet", flags=QUIET)
            desktop.alert(6, "Last")
            wait_until(lambda: 3 in server.shown, 20, "the third alert")
            check_equal([server.shown[n][3] for n in (2, 3)], ["work: an alert", "work: Last"], "titles; one came in quiet hours")
            check_equal(server.shown[2][5], [], "actions of an alert that cannot be opened")
            # What the user does, and what runs out of time.
            server.close(2, EXPIRED)
            server.close(1, BY_USER)
            desktop.hears("d3")
            server.signal("ActionInvoked", "us", (3, "other"))
            server.signal("ActionInvoked", "us", (3, "default"))
            desktop.hears("o6")
            # What the other side does, even before the server answered.
            desktop.alert(7, "Gone")
            desktop.say("C7")
            wait_until(lambda: server.closed == [4], 20, "the alert that is gone to be closed")
            desktop.silent()
            desktop.alert(8, "Stays")
            wait_until(lambda: 5 in server.shown, 20, "the alert that stays")
            # What the server answered to that comes before this, and is remembered when this is heard.
            desktop.alert(9, "Goes")
            wait_until(lambda: 6 in server.shown, 20, "the alert that goes")
            server.close(6, BY_USER)
            desktop.hears("d9")
        # Another process in the same session shows nothing twice, and hears of what the one before it showed, though it is not told; in
        # another run of the handset numbers begin again.
        with Desktop(bus) as desktop:
            desktop.hears("A9")
            server.close(5, BY_USER)
            desktop.hears("d8")
        with Desktop(bus, epoch="6") as desktop:
            desktop.hears("A0")
            # Another server has its own numbers, and its own markup.
            server.end()
            server = Server(bus, capabilities=())
            desktop.alert(1, "Plain", "a & b")
            wait_until(lambda: 1 in server.shown, 20, "the alert at another server")
            check(server.shown[1][4] in ("a & b", "a &amp; b"), "the body")
            # What the server can do came before this, and is known when this is heard.
            server.close(1, BY_USER)
            desktop.hears("d1")
            desktop.alert(2, "Plain", "a & b")
            wait_until(lambda: 2 in server.shown, 20, "the second alert at another server")
            check_equal(server.shown[2][4], "a & b", "the body for a server without markup")
        server.end()
    return 8


def test_alerts_of_programs():
    with Bus() as bus:
        server = Server(bus)
        with Desktop(bus) as desktop, contextlib.closing(open_dbus_connection(bus.address)) as program:
            desktop.hears("A0")
            picture = (2, 2, 6, False, 8, 3, bytes(range(12)))
            number = notify(program, title="New mail", body="<b>From</b> A &amp; B",
                            hints={"image-data": ("(iiibiiay)", picture), "urgency": ("y", 2), "category": ("s", "email.arrived")})
            check_equal(unpack(desktop.hear()), (f"bus-{number}", "mail", 3, "mailer", "New mail", "From A & B"), "the alert for the other side")
            # One that takes its place, and one that the program, the user and the other side are done with.
            check_equal(notify(program, replaces=number, title="Two mails"), number, "number of the one in its place")
            desktop.hears(f"Wbus-{number}")
            check_equal(unpack(desktop.hear())[4], "Two mails", "the alert in its place")
            program.send_and_get_reply(new_method_call(SERVICE, "CloseNotification", "u", (number,)))
            desktop.hears(f"Wbus-{number}")
            number = notify(program)
            desktop.hear()
            server.close(number, BY_USER)
            desktop.hears(f"Wbus-{number}")
            number = notify(program)
            desktop.hear()
            desktop.say(f"Kbus-{number}")
            wait_until(lambda: number in server.closed, 20, "the dismissed one to be closed")
            number = notify(program)
            desktop.hear()
            server.close(number, EXPIRED)
            # Our own are not told back, and a picture that is too long for the agent is passed over.
            desktop.alert(1, "Not mine")
            wait_until(lambda: number + 1 in server.shown, 20, "the other side's alert")
            poster = (512, 512, 2048, True, 8, 4, bytes(512 * 512 * 4))
            notify(program, title="Poster", hints={"image-data": ("(iiibiiay)", poster)})
            desktop.silent()
            notify(program, title="Behind it")
            check_equal(unpack(desktop.hear())[4], "Behind it", "the next alert")
            desktop.socket.close()
            check_equal(desktop.process.wait(20), 0, "the end with the agent")
        server.end()
    return 7


def test_the_session_ends():
    with Bus() as bus:
        with Desktop(bus) as desktop:
            # Nobody shows notifications yet.
            desktop.silent()
            server = Server(bus)
            desktop.hears("A0")
            bus.process.kill()
            check_equal(desktop.process.wait(20), 0, "the end with the bus")
        server.end()
    return 2
