#!/usr/bin/env python3
"""desktop O: the alerts with what people use. The personal side is a Debian with an X server on the handset's frame buffer, a session bus
and dunst; alerts of the work side are on its screen, and what is done there is done to them; what its programs show goes to work. A picture
is left in O/desktop.png. Its libcurl serves mvp-https. `make desktop` runs it: minutes, and a hundred megabytes of packages."""
import http.server
import os
import re
import shutil
import ssl
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ["O"] = os.path.abspath(sys.argv[1])
from kit import build, env  # noqa: E402
from kit.env import check, check_equal, run  # noqa: E402
from kit.handset import Handset  # noqa: E402
from kit.qmp import Qmp  # noqa: E402
from kit.tls import Authority  # noqa: E402

BOOT_S = 300
BAR = 32
GROUND = (0x4a, 0x14, 0x8c)  # of dunst's windows
LEAST = 4000  # pixels of a window
TITLE, BODY = "Lunch at noon?", "the-text-stays-4711"

FILES = {
    "/etc/hostname": "personal\n",
    "/etc/inittab": """id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/stop poweroff
1:2345:respawn:/sbin/agetty --skip-login --login-program /etc/init.d/login --noclear --noissue --local-line ttyAMA0 115200 linux
2:2:once:/etc/init.d/desktop
""",
    "/etc/init.d/desktop": """#!/bin/sh
. /etc/desktop
mkdir -p -m 700 $XDG_RUNTIME_DIR
dbus-daemon --session --address=$DBUS_SESSION_BUS_ADDRESS --fork --nopidfile
Xorg $DISPLAY -config /etc/X11/desktop.conf -logfile /run/Xorg.log -nolisten tcp -noreset >/run/x.log 2>&1 &
until [ -S /tmp/.X11-unix/X0 ]; do sleep 1; done
exec dunst -config /etc/dunstrc >/run/dunst.log 2>&1
""",
    "/etc/desktop": """export HOME=/root DISPLAY=:0 XDG_RUNTIME_DIR=/run/user/0 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
""",
    "/etc/X11/desktop.conf": """Section "Device"
	Identifier "frame buffer"
	Driver "fbdev"
	Option "fbdev" "/dev/fb0"
EndSection
Section "Module"
	Disable "glx"
EndSection
""",
    "/etc/dunstrc": """[global]
	origin = top-center
	offset = 0x40
	width = (300, 440)
	font = DejaVu Sans 14
	frame_color = "#ffffff"
[urgency_low]
	background = "#4a148c"
	foreground = "#ffffff"
	timeout = 0
[urgency_normal]
	background = "#4a148c"
	foreground = "#ffffff"
	timeout = 0
[urgency_critical]
	background = "#4a148c"
	foreground = "#ffffff"
	timeout = 0
""",
    "/etc/mvp/agent.conf": "state=/data/mvp\n",
}

MANIFEST = """mvp: 1
name: desktop
version: 0.1.0
board: qemu-virt
oem: [generic]
keys: {oem: keys/oem.pem, enterprise: keys/enterprise.pem, master: keys/master.key}
hypervisor: {console: prefixed}
personas:
  personal:
    memory: 768 MiB
    cpus: 2
    boot: {kernel: /boot/vmlinuz-*, initrd: generate, cmdline: quiet}
    tools: true
    system:
      layers:
        - deb: [inputs-desktop/desktop/*.deb]
        - deb: [inputs/work/*.deb] # its init
        - dir: personas/common
        - dir: personas/work
        - dir: files
      verity: "off"
    userdata: {size: 64 MiB}
  work:
    memory: 512 MiB
    cpus: 2
    boot: {kernel: /boot/vmlinuz-*, initrd: generate, cmdline: quiet}
    tools: true
    system:
      layers:
        - deb: [inputs/work/*.deb]
        - dir: personas/common
        - dir: personas/work
    userdata: {size: 64 MiB}
    encryption: {passcode: {file: keys/demo.passcode, iterations: 1000}}
policy:
  switch-request: [personal]
"""


def image():
    folder = env.fresh("desktop")
    for name in ("inputs", "personas", "keys"):
        os.symlink(os.path.realpath(os.path.join(env.DEMO, name)), os.path.join(folder, name))
    os.symlink(os.path.join(env.O, "inputs-desktop"), os.path.join(folder, "inputs-desktop"))
    for path, text in FILES.items():
        place = os.path.join(folder, "files") + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(place, 0o755 if "/init.d/" in path else 0o644)
    manifest = os.path.join(folder, "desktop.yaml")
    with open(manifest, "w", encoding="utf-8") as f:
        f.write(MANIFEST)
    run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", os.path.join(folder, "out"), manifest])
    name, = os.listdir(os.path.join(folder, "out"))
    return os.path.join(folder, "out", name)


class Desktop:
    """The handset, and what its screen shows."""

    def __init__(self, handset, qmp):
        self.handset, self.qmp = handset, qmp

    def windows(self):
        """Pixels that are dunst's."""
        picture = self.qmp.screen(os.path.join(env.WORK, "desktop.ppm"))
        return picture.colours(BAR).get(GROUND, 0)

    def wait(self, what, condition, seconds=90):
        end = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < end, what)
            time.sleep(0.5)

    def personal(self, command, status=0):
        return self.handset.sh("personal", f". /etc/desktop; {command}", 120, status)

    def work(self, command):
        return self.handset.sh("work", command, 120)

    def listed(self, persona):
        return re.findall(r"^(\d+) \w+ \w+ .*?: (.*)$", self.handset.sh(persona, "mvp-agent list", 60), re.M)

    def front(self):
        self.handset.send("mvp", "status")
        return self.handset.expect("mvp", r"^status front (\w+)\n")[1]


def alerts_are_on_the_screen(desktop):
    desktop.wait("dunst does not answer", lambda: "dunst" in desktop.personal(
        "dbus-send --session --print-reply --dest=org.freedesktop.Notifications /org/freedesktop/Notifications "
        "org.freedesktop.Notifications.GetServerInformation 2>&1", None), BOOT_S)
    check_equal(desktop.windows(), 0, "pixels of windows before there is an alert")
    desktop.work(f"mvp-notify --app=chat --category=message '{TITLE}' {BODY}")
    desktop.wait("no window on the screen", lambda: desktop.windows() > LEAST)
    desktop.qmp.ask("screendump", filename=os.path.join(env.O, "desktop.png"), format="png")
    shown = desktop.personal("dunstctl history >/dev/null; dunstctl count displayed").split()[-1]
    check_equal(shown, "1", "alerts that dunst shows")
    check(BODY not in desktop.handset.text["personal"], "the text came to the personal side")


def what_is_done_here_is_done_there(desktop):
    number = desktop.listed("personal")[0][0]
    desktop.personal("dunstctl close")
    desktop.wait("the window stays", lambda: not desktop.windows())
    desktop.wait("the dismissed alert stays", lambda: not desktop.listed("personal"))
    desktop.work(f"mvp-notify --key=k Second; mvp-agent dismiss {number} || true")
    desktop.wait("no window for the second alert", lambda: desktop.windows() > LEAST)
    desktop.work("mvp-notify --withdraw=k")
    desktop.wait("the window of what was withdrawn stays", lambda: not desktop.windows())
    # An agent that is killed shows nothing twice.
    desktop.work("mvp-notify Third")
    desktop.wait("no window for the third alert", lambda: desktop.windows() > LEAST)
    desktop.personal("kill -9 $(pidof mvp-agent)", None)
    desktop.wait("the agent does not come back", lambda: "persona personal" in desktop.personal("mvp-agent status 2>&1", None))
    time.sleep(5)
    check_equal(desktop.personal("dunstctl count displayed").split()[-1], "1", "alerts that dunst shows after the agent was killed")
    # Opened, it brings its side to the front.
    check_equal(desktop.front(), "personal", "in front")
    desktop.personal("dunstctl action")
    desktop.wait("opening an alert of work did not bring it to the front", lambda: desktop.front() == "work")
    desktop.handset.send("mvp", "switch")


def what_programs_show_goes_to_the_other_side(desktop):
    desktop.personal("notify-send -a mailer -c email.arrived 'New mail' '<b>From</b> A'")
    desktop.wait("the program's alert does not come", lambda: [t for _, t in desktop.listed("work")] == ["New mail"])
    desktop.personal("dunstctl close-all")
    desktop.wait("the program's alert stays", lambda: not desktop.listed("work"))


def libcurl_does_https(desktop):
    folder = env.fresh("desktop-tls")
    authority = Authority(folder, "own")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("ETag", '"tag"')
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("IP:10.0.2.2"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(authority.certificate, encoding="ascii") as f:
        lines = f.read().splitlines()
    desktop.personal(": >/run/ca.pem; " + "; ".join(f"echo '{line}' >>/run/ca.pem" for line in lines))
    command = f"/usr/lib/mvp/mvp-https GET https://10.0.2.2:{server.server_address[1]}/x '' "
    check("200\n\"tag\"\nhello" in desktop.personal(command + "/run/ca.pem </dev/null").replace("\r", ""), "no answer over https")
    check(re.search("^!.*(SSL|certificate)", desktop.personal(command + "'' </dev/null", 1), re.M), "a server of nobody's was believed")
    server.shutdown()


STEPS = (alerts_are_on_the_screen, what_is_done_here_is_done_there, what_programs_show_goes_to_the_other_side, libcurl_does_https)


def main():
    folder = env.short_folder()
    path = os.path.join(folder, "q")
    start = time.monotonic()
    try:
        disk = image()
        with Handset(disk, "desktop", arguments=(f"--qmp=unix:{path}",)) as handset, Qmp(path) as qmp:
            handset.expect("personal", r"personal:/# ", BOOT_S)
            handset.unlock(build.passcode().decode(), BOOT_S)
            desktop = Desktop(handset, qmp)
            for step in STEPS:
                step(desktop)
                print(f"ok - desktop: {step.__name__.replace('_', ' ')} ({time.monotonic() - start:.0f} s)", flush=True)
    except env.Failure as e:
        print(f"not ok - desktop\n{e}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder)
    print(f"{len(STEPS)} passed, 0 failed")
    return 0


sys.exit(main())
