"""mvp-agent, the arm64 program of personas, under qemu-user against a vault and a web server that are played here: orders go to the vault
once, receipts to the server before the vault forgets them, whatever fails on the way."""
import base64
import hashlib
import http.server
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
import tty

from kit import env
from kit.env import check, check_equal, wait_until
from kit.tls import Authority

AGENT = os.path.join(env.O, "share", "mvp", "guest", "tools", "usr", "bin", "mvp-agent")
SERIAL = "MVP-0001"
DIGITS = hashlib.sha256(SERIAL.encode()).hexdigest()[:2]
SETTLE_S = 1.5  # for what must not come


class Vault:
    """The other end of org.mvp.control, on a pseudo terminal."""

    def __init__(self):
        self.master, slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave  # open, so that the other end does not hang up between agents
        self.serial, self.orders, self.receipts, self.asked = SERIAL, [], {}, []
        self.verdict = "accepted"
        threading.Thread(target=self._serve, daemon=True).start()

    def _answer(self, line):
        word, _, rest = line.partition(" ")
        self.asked.append(word)
        if word == "up":
            return "ok"
        if word == "hello":
            return "mvp 1 personal"
        if word == "status":
            return "status front yes other locked lease 604800"
        if word == "serial":
            return f"serial {self.serial}"
        if word == "order":
            self.orders.append(base64.b64decode(rest, validate=True))
            return f"order {self.verdict}"
        if word == "receipt":
            if not self.receipts:
                return "receipt none"
            seq = min(self.receipts)
            return f"receipt {seq} {base64.b64encode(self.receipts[seq]).decode()}"
        if word == "receipt-done":
            check(int(rest) in self.receipts, f"receipt-done {rest}: there are {list(self.receipts)}")
            del self.receipts[int(rest)]
            return "ok"
        return "unknown"

    def _serve(self):
        pending = b""
        while True:
            try:
                pending += os.read(self.master, 65536)
            except OSError:
                return
            *lines, pending = pending.split(b"\n")
            for line in lines:
                # What the port says unasked comes between the answers.
                os.write(self.master, b"front\n" + self._answer(line.decode()).encode() + b"\n")


class Server:
    """Orders and receipts on the web."""

    def __init__(self, etags=True, tls=None):
        """tls: the server's certificate and key."""
        self.files, self.got, self.requests, self.fail, self.moved = {}, {}, [], 0, None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("If-None-Match")))
                body = outer.files.get(self.path)
                if outer.fail:
                    outer.fail -= 1
                    self.send_error(503)
                    return
                if outer.moved:
                    self.send_response(302)
                    self.send_header("Location", outer.moved)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if body is None:
                    self.send_error(404)
                    return
                tag = f'"{hashlib.md5(body).hexdigest()}"'
                known = etags and self.headers.get("If-None-Match") == tag
                self.send_response(304 if known else 200)
                if etags:
                    self.send_header("ETag", tag)
                if not known:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if not known:
                    self.wfile.write(body)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.fail:
                    outer.fail -= 1
                    self.send_error(500)
                    return
                outer.got.setdefault(self.path, []).append(body)
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.http.server_address[1]}/fleet"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def order(self, body):
        self.files[f"/fleet/{DIGITS}/{SERIAL}.order"] = body

    def receipt(self, seq):
        return self.got.get(f"/fleet/{DIGITS}/{SERIAL}.{seq}.receipt", [])


class Agent:
    """The program, with a state folder that outlives it."""

    def __init__(self, vault, url, name, *options):
        self.folder = env.fresh("agent", name)
        self.short = env.short_folder()
        self.socket = os.path.join(self.short, "s")
        self.log = open(os.path.join(self.folder, "log"), "a")
        self.command = [env.program("qemu-aarch64"), AGENT, f"--control={vault.path}", f"--state={self.folder}/state",
                        f"--socket={self.socket}", f"--orders={url}", "--interval=1", *options]
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(20)

    def ask(self, *words, status=0):
        done = env.run([env.program("qemu-aarch64"), AGENT, f"--socket={self.socket}", *words], status=status)
        return done.stdout + done.stderr

    def said(self, pattern):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return re.search(pattern, f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.short, ignore_errors=True)


def test_orders():
    vault, server = Vault(), Server()
    order = os.urandom(700)
    with Agent(vault, server.url, "orders") as agent:
        wait_until(lambda: len(server.requests) >= 2, 30, "looks for an order")
        check_equal(vault.orders, [], "orders while there is none")
        server.order(order)
        wait_until(lambda: vault.orders == [order], 30, "the order in the vault")
        vault.receipts = {3: b"receipt three", 4: os.urandom(2000)}
        fourth = vault.receipts[4]
        wait_until(lambda: not vault.receipts, 30, "the vault's receipts fetched and acknowledged")
        check_equal((server.receipt(3), server.receipt(4)), ([b"receipt three"], [fourth]), "receipts at the server")
        # The server is asked again, by ETag, and nothing comes of it; nor after the agent was killed.
        count = len(server.requests)
        wait_until(lambda: len(server.requests) > count + 1, 30, "more looks")
        check(server.requests[-1][1], "asked without If-None-Match")
        agent.stop(signal.SIGKILL)
        count = len(server.requests)
        agent.start()
        wait_until(lambda: len(server.requests) > count + 1, 30, "looks after a restart")
        check_equal(vault.orders, [order], "orders after a restart")
        shown = agent.ask("status")
        check_equal(shown, f"persona personal\nfront yes\nother locked\nlease 604800\nserial {SERIAL}\n", "the status")
        check_equal(agent.stop(), 0, "the end by SIGTERM")
        check("no agent answers" in agent.ask("status", status=1), "the status without an agent")
    return 6


def test_orders_through_failures():
    """A server without ETags that is down at first, refuses, and takes no receipt twice; an order that is none of this device's concern."""
    vault, server = Vault(), Server(etags=False)
    server.fail = 1
    vault.verdict = "refused"
    server.order(b"not for you")
    with Agent(vault, server.url, "failures") as agent:
        wait_until(lambda: vault.orders == [b"not for you"], 60, "the order after the server came back")
        check(agent.said("the server says 503"), "the failure is not in the log")
        server.fail = 1
        vault.receipts = {1: b"refused"}
        time.sleep(SETTLE_S)
        check(1 in vault.receipts or server.receipt(1), "the vault forgot a receipt that the server does not have")
        wait_until(lambda: not vault.receipts, 60, "the receipt after the second try")
        check_equal(server.receipt(1), [b"refused"], "the receipt at the server")
        time.sleep(SETTLE_S)
        check_equal(vault.orders, [b"not for you"], "the same order again")
        # Too long for the vault: said, and not given.
        server.order(os.urandom(5000))
        wait_until(lambda: agent.said("5000 bytes are no order"), 60, "a word about the long order")
        check_equal(len(vault.orders), 1, "orders after the long one")
    # A device without an identity asks nobody.
    vault, server = Vault(), Server()
    vault.serial = "none"
    with Agent(vault, server.url, "unprovisioned"):
        wait_until(lambda: vault.asked.count("serial") >= 2, 30, "questions for the serial number")
        check_equal(vault.asked[0], "up", "the first that the agent says")
        check_equal(server.requests, [], "requests of a device without a serial number")
    return 5


def test_unreachable_server_is_asked_ever_less():
    vault = Vault()
    with Agent(vault, "http://127.0.0.1:1/x", "unreachable") as agent:
        wait_until(lambda: agent.said("Connection refused"), 30, "a word about the server")
        time.sleep(3)
        check_equal(vault.asked.count("serial"), 1, "rounds within the first pause")
    return 1


def _helper(folder):
    """mvp-https for this machine and its libcurl."""
    path = os.path.join(folder, "mvp-https")
    env.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path,
             os.path.join(env.ROOT, "vmm", "guest", "https", "https.c")])
    return path


def test_https():
    """Orders and receipts over TLS with a CA of one's own; no server that cannot prove its name gets or gives anything."""
    folder = env.fresh("https")
    own, other = Authority(folder, "own"), Authority(folder, "other")
    options = [f"--https={_helper(folder)}", f"--ca={own.certificate}"]
    vault, server = Vault(), Server(tls=own.issue("IP:127.0.0.1"))
    order = os.urandom(700)
    with Agent(vault, server.url, "https", *options) as agent:
        wait_until(lambda: len(server.requests) >= 2, 60, "looks for an order")
        server.order(order)
        vault.receipts = {7: os.urandom(2000)}
        receipt = vault.receipts[7]
        wait_until(lambda: vault.orders == [order] and not vault.receipts, 60, "the order in the vault, the receipt out of it")
        check_equal(server.receipt(7), [receipt], "the receipt at the server")
        count = len(server.requests)
        wait_until(lambda: len(server.requests) > count + 1, 60, "more looks")
        check(server.requests[-1][1], "asked without If-None-Match")
        check_equal(vault.orders, [order], "orders after the same one")
        server.moved = "https://127.0.0.1:1/elsewhere"
        wait_until(lambda: agent.said("the server says 302"), 60, "a word about the redirect")
    refused = {"another authority": other.issue("IP:127.0.0.1"), "another name": own.issue("DNS:else.example")}
    for what, tls in refused.items():
        vault, server = Vault(), Server(tls=tls)
        server.order(order)
        with Agent(vault, server.url, what.replace(" ", "-"), *options) as agent:
            wait_until(lambda: agent.said(r"SSL|certificate"), 60, f"a word about the certificate of {what}")
            check_equal((server.requests, vault.orders), ([], []), f"requests to a server of {what}, and orders from it")
    # A persona without the program says what it misses.
    with Agent(Vault(), "https://127.0.0.1:1/x", "helpless", f"--https={folder}/none") as agent:
        wait_until(lambda: agent.said("none: No such file"), 60, "a word about the missing program")
    return 5


def test_https_of_the_persona():
    """The program that a persona gets: arm64, with nothing but the C library before it looks for libcurl."""
    shown = env.run(["aarch64-linux-gnu-readelf", "-hd", os.path.join(os.path.dirname(AGENT), "..", "lib", "mvp", "mvp-https")]).stdout
    check("AArch64" in shown, f"not for arm64:\n{shown}")
    check_equal(re.findall(r"NEEDED.*\[(.*)\]", shown), ["libc.so.6", "ld-linux-aarch64.so.1"], "libraries that it needs")
    return 1
