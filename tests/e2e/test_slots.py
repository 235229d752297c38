"""An update of one persona alone: written into the slot that does not run, started, and left again when it is broken or does not come up,
while the other persona goes on. The personas are bare-metal programs; whoever writes the slots is this test, as an updater in the persona
would."""
import functools
import glob
import os
import re
import shutil
import struct
import subprocess
import zlib

from kit import container, env, gpt, mini, ota
from kit.env import check, check_equal, run, wait_until
from kit.flat import FLAT_AT, Guest
from kit.handset import Handset
from kit.qmp import Qmp, shows_reason

MANIFEST = """mvp: 1
name: slots
version: '1'
board: qemu-virt
keys: {{master: keys/master.key, oem: keys/oem.pem, enterprise: keys/enterprise.pem}}
hypervisor: {{console: prefixed, good-after: 1 second, component-version: {hypervisor}}}
personas:
  personal:
    memory: 32 MiB
    cpus: 1
    network: none
    slots: 2
    security-version: {version}
    component-version: {version}
    needs: {{hypervisor: {needs}}}
    boot: {{kernel: "file:{personal}", initrd: none, cmdline: version {version}}}
  work:
    memory: 32 MiB
    cpus: 1
    network: none
    slots: 2
    security-version: {version}
    component-version: {version}
    boot: {{kernel: "file:{work}", initrd: none, cmdline: version {version}}}
    encryption: {{passcode: {{file: keys/passcode, tries: 10, iterations: 1000}}}}
"""
RECORD_AT = 2048
GOOD = 0x80
DAMAGE_AT = 4096 + 1024  # of a boot image: in its kernel, behind what the kernel says of itself
# movz w0, #9; movk w0, #0x8400, lsl #16 (PSCI SYSTEM_RESET); hvc #0; b .
RESETS = struct.pack("<4I", 0x52800120, 0x72b08000, 0xd4000002, 0x14000000) + bytes(1008)
PERSONA_LEN, ROLLBACK_AT = 64, 16  # struct mvp_state_persona


def record(a, b, current="a"):
    """bootloader_control: (priority, tries, successful) of each slot."""
    words = [priority | tries << 4 | (GOOD if successful else 0) for priority, tries, successful in (a, b)]
    head = struct.pack("<4sIBBHHHHH8x", b"_" + current.encode(), 0x42414342, 1, 2, 0, *words, 0, 0)
    return head + struct.pack("<I", zlib.crc32(head))


class Phone:
    """A build of version 1 and updates from it, on one flash."""

    def __init__(self, name):
        self.folder = env.fresh(name)
        self.kernels = {"good": Guest(self.folder, "guest", FLAT_AT, 1000).flat(), "resets": os.path.join(self.folder, "resets.bin")}
        with open(self.kernels["resets"], "wb") as f:
            f.write(RESETS)
        mini.take_keys(self.folder)
        with open(os.path.join(self.folder, "keys/passcode"), "w", encoding="utf-8") as f:
            f.write(mini.PASSCODE)
        self.built = self.build("disk", "old", 1)
        self.disk = os.path.join(self.folder, "flash.img")
        self.again()
        self.parts = gpt.read(self.disk)
        nested = gpt.read(self.disk, self.parts["personal"].at)
        # Both disks are laid out alike.
        self.at = {name: part.at - self.parts["personal"].at for name, part in nested.items()}
        self.old = {c: self.build(c, "old", 1) for c in ("personal", "work")}
        self.key = container.volume_key(container.copy(self.disk), mini.PASSCODE.encode())

    def again(self):
        """The flash as it was built."""
        env.copy_sparse(self.built, self.disk)
        return self

    def build(self, what, out, version, *options, status=0, personal="good", work="good", hypervisor=1, needs=1):
        """The disk, or the update package of a component."""
        path, out = os.path.join(self.folder, "slots.yaml"), os.path.join(self.folder, out)
        with open(path, "w", encoding="utf-8") as f:
            f.write(MANIFEST.format(version=version, personal=self.kernels[personal], work=self.kernels[work], hypervisor=hypervisor,
                                    needs=needs))
        choice = ["--format", "disk"] if what == "disk" else ["--component", what]
        done = run([env.MVPCTL, "build", "-q", *choice, "-o", out, *options, path], status=status)
        if status:
            return done.stderr
        made, = glob.glob(os.path.join(out, "*.img" if what == "disk" else f"*-ota-{what}-*.zip"))
        return made

    def write(self, persona, at, data):
        if persona == "work":
            container.write(self.disk, self.key, at, data)
            return
        with open(self.disk, "r+b") as f:
            f.seek(self.parts[persona].at + at)
            f.write(data)

    def set_record(self, persona, a, b):
        self.write(persona, self.at["misc"], bytes(RECORD_AT) + record(a, b) + bytes(4096 - RECORD_AT - 32))

    def personal(self, at, length):
        with open(self.disk, "rb") as f:
            f.seek(self.parts["personal"].at + at)
            return f.read(length)

    def apply(self, persona, package, tries):
        """Into slot B, which is the next to be started."""
        images = ota.check_package(package).apply(lambda name, length: self.slot_a(persona, name, length))
        check_equal(sorted(images), ["boot", "vbmeta"], f"partitions of an update of {persona}")
        for name, image in images.items():
            self.write(persona, self.at[name + "_b"], image)
        self.set_record(persona, (14, 1, True), (15, tries, False))

    def slot_a(self, persona, name, length):
        check_equal(persona, "personal", "whose plain text is on the flash")
        return self.personal(self.at[name + "_a"], length)

    def rollback_indexes(self):
        """Of the sound record of the journal with the highest number (vmm/include/mvp/state.h)."""
        found = []
        for copy in range(2):
            with open(self.disk, "rb") as f:
                f.seek(self.parts["mvp_state"].at + copy * 0x10000)
                raw = f.read(4096)
            if raw[:8] == b"MVPSTATE" and zlib.crc32(raw[:4060]) == struct.unpack_from("<I", raw, 4060)[0]:
                found.append((struct.unpack_from("<Q", raw, 16)[0], raw))
        check(found, "the journal has no sound record")
        raw = max(found)[1]
        at = 4060 - 1884 - 32 - 4 * PERSONA_LEN
        return [struct.unpack_from("<Q", raw, at + i * PERSONA_LEN + ROLLBACK_AT)[0] for i in range(2)]


@functools.cache
def phone_1():
    return Phone("slots")


def _off(handset):
    for persona in ("work", "personal"):
        handset.send(persona, "")
        handset.expect("mvp", f"^{persona}: off", 60)
    check(handset.wait() == 0, "the handset did not end well after both personas were off")


def _runs(handset, persona, version, slot):
    handset.expect(persona, f"^flat: command line 'version {version} androidboot.slot_suffix=_{slot}'", 120)
    handset.expect(persona, "^flat: waiting for a line", 60)


def test_one_persona_is_updated():
    phone = phone_1().again()
    with Handset(phone.disk, "slots-old") as handset:
        _runs(handset, "personal", 1, "a")
        handset.expect("mvp", "^personal: slot a is good", 60)
        handset.send("mvp", f"unlock {mini.PASSCODE}")
        _runs(handset, "work", 1, "a")
        handset.expect("mvp", "^work: slot a is good", 60)
        _off(handset)
    check_equal(phone.personal(phone.at["misc"] + RECORD_AT, 32), record((15, 1, True), (14, 7, False)), "the record after the first start")
    check_equal(phone.rollback_indexes(), [1, 1], "rollback indexes")

    # Personal's update is one from the former build. Work's arrives, and does not come up.
    update = phone.build("personal", "new", 2, "--ota-from", phone.old["personal"])
    phone.apply("personal", update, 7)
    phone.apply("work", phone.build("work", "bad", 2, work="resets"), 2)
    with Handset(phone.disk, "slots-new") as handset:
        _runs(handset, "personal", 2, "b")
        handset.expect("mvp", "^personal: slot b is good", 60)
        handset.send("mvp", f"unlock {mini.PASSCODE}")
        for slot in "bba":
            handset.expect("mvp", f"^work: slot {slot}$", 60)
        _runs(handset, "work", 1, "a")
        check_equal(len(re.findall("^personal: started", handset.text["mvp"], re.M)), 1, "starts of personal beside work's")
        _off(handset)
    check_equal(phone.personal(phone.at["misc"] + RECORD_AT, 32), record((14, 1, True), (15, 1, True), "b"), "the record after the update")
    # What never came up has raised nothing.
    check_equal(phone.rollback_indexes(), [2, 1], "rollback indexes after the update")
    return 5


def _boot(phone, record_of_personal, log, lines, work):
    """Personal's slots as they are tried, and what runs in the end; work(handset) looks at the other side, which has been unlocked."""
    phone.set_record("personal", *record_of_personal)
    folder = env.short_folder()
    path = os.path.join(folder, "q")
    try:
        with Handset(phone.disk, log, arguments=(f"--qmp=unix:{path}",)) as handset, Qmp(path) as qmp:
            for line in lines:
                handset.expect("mvp", "^personal: " + line, 60)
            handset.send("mvp", f"unlock {mini.PASSCODE}")
            work(handset, lambda: qmp.screen(os.path.join(folder, "screen.ppm")))
            handset.send("mvp", "poweroff")
            check(handset.wait() == 0, "the handset's power-off is not a clean end")
    finally:
        shutil.rmtree(folder)


def _work_runs(version, slot):
    def work(handset, _):
        _runs(handset, "work", version, slot)
        handset.expect("mvp", f"^work: slot {slot} is good", 60)
    return work


def _work_is_older(handset, screen):
    """Neither slot of it is started; console and screen say so."""
    for slot in "ba":
        handset.expect("mvp", f"^work: slot {slot} is not started: {OLDER}", 60)
    handset.expect("mvp", f"^work: not started: {OLDER}", 60)
    check(handset.silent("work"), "something of work ran")
    handset.send("mvp", "switch")
    handset.expect("mvp", "front work", 60)
    wait_until(lambda: shows_reason(screen()), 30, "the screen shows a reason")


OLDER = "it is older than what has run before"


def test_a_slot_that_is_not_what_was_signed_is_left():
    phone = phone_1().again()
    phone.apply("personal", phone.build("personal", "whole", 2), 7)
    damaged = bytes(b ^ 255 for b in phone.personal(phone.at["boot_b"] + DAMAGE_AT, 16))
    sound = phone.personal(phone.at["boot_b"] + DAMAGE_AT, 16)
    phone.write("personal", phone.at["boot_b"] + DAMAGE_AT, damaged)
    _boot(phone, ((14, 1, True), (15, 7, False)), "slots-broken",
          ["slot b$", "slot b is not started: its boot image is not ", "slot a$", "started"], _work_runs(1, "a"))
    check(phone.rollback_indexes()[0] <= 1, "what was never started has raised the rollback index")
    # Whole again, it runs, as does work's; then the old ones do not any more, and the indexes stay: personal falls back to the new one,
    # work has only old ones left.
    phone.write("personal", phone.at["boot_b"] + DAMAGE_AT, sound)
    phone.apply("work", phone.build("work", "whole", 2), 7)
    _boot(phone, ((14, 1, True), (15, 7, False)), "slots-whole", ["slot b$", "started", "slot b is good"], _work_runs(2, "b"))
    check_equal(phone.rollback_indexes(), [2, 2], "rollback indexes")
    phone.apply("work", phone.old["work"], 7)
    _boot(phone, ((15, 1, True), (14, 1, True)), "slots-older", ["slot a$", f"slot a is not started: {OLDER}", "slot b$", "started"],
          _work_is_older)
    check_equal(phone.rollback_indexes(), [2, 2], "rollback indexes after old slots were refused")
    return 4


def test_packing_looks_at_what_the_handset_has():
    phone = phone_1().again()
    refusals = {
        "would need 'hypervisor' of component version 2": {"hypervisor": 2, "needs": 2},
        "'personal' would go back": {"version": 0},
    }
    for text, changes in refusals.items():
        arguments = {"version": 2} | changes
        said = phone.build("personal", "refused", arguments.pop("version"), "--ota-from", phone.old["personal"], status=3, **arguments)
        check(text in said, f"no '{text}' in:\n{said}")
    said = phone.build("personal", "refused", 2, "--ota-from", phone.old["work"], status=4)
    check("it is an update of 'work', expected one of 'personal'" in said, said)
    # Who signs a persona's disk signs its updates.
    for persona, signer in (("personal", "oem"), ("work", "enterprise")):
        key = os.path.join(phone.folder, f"{signer}.pub")
        run(["openssl", "rsa", "-in", os.path.join(phone.folder, f"keys/{signer}.pem"), "-pubout", "-out", key])
        run([env.MVPCTL, "verify", "--key", key, phone.old[persona]])
    check("vbmeta_a" in run([env.MVPCTL, "verify", phone.built]).stdout, "verify does not say that it saw the slot's vbmeta")
    return 5


def _sign_all(phone, asked):
    """What was asked for and has no signature yet, by the bare private operation; the names."""
    keys = {}
    for name in ("oem", "enterprise"):
        key = os.path.join(phone.folder, f"keys/{name}.pem")
        keys[run(["openssl", "pkey", "-in", key, "-pubout"]).stdout] = key
    names = sorted(name.removesuffix(".padded") for name in os.listdir(asked) if name.endswith(".padded"))
    names = [name for name in names if not os.path.exists(os.path.join(asked, name + ".sig"))]
    for name in names:
        path = os.path.join(asked, name)
        with open(path + ".pub", encoding="utf-8") as f:
            key = keys[f.read()]
        run(["openssl", "pkeyutl", "-decrypt", "-inkey", key, "-pkeyopt", "rsa_padding_mode:none", "-in", path + ".padded",
             "-out", path + ".sig"])
    return names


def test_an_update_is_signed_elsewhere():
    """Round by round, as each signature covers those before it; in the end it is the update that a build with the key makes."""
    phone = phone_1()
    path, asked, out = (os.path.join(phone.folder, name) for name in ("elsewhere.yaml", "asked", "elsewhere"))
    text = MANIFEST.format(version=1, personal=phone.kernels["good"], work=phone.kernels["good"], hypervisor=1, needs=1)
    for name in ("oem", "enterprise"):
        key = os.path.join(phone.folder, f"keys/{name}.pem")
        run(["openssl", "pkey", "-in", key, "-pubout", "-out", os.path.join(phone.folder, f"{name}.pub")])
        check(text.count(f"keys/{name}.pem") == 1, f"the manifest has other keys than expected:\n{text}")
        text = text.replace(f"keys/{name}.pem", f"{{public: {name}.pub}}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    sign = [env.MVPCTL, "sign", "-q", "--component", "work", "--signatures", asked]
    rounds = []
    while not rounds or rounds[-1]:
        check(len(rounds) < 5, f"there is no end of signing: {rounds}")
        run([*sign, "--prepare", path])
        rounds.append(_sign_all(phone, asked))
    update = "ota-generic-work-"
    check_equal(rounds, [["vbmeta", "vbmeta-personal", "vbmeta-work"], ["ota-certificate", update + "metadata", update + "payload"],
                         [update + "package"], []], "what is asked for in each round")
    check(not glob.glob(os.path.join(asked, "*.zip")), "asking for signatures made a package")
    run([*sign, "--attach", "-o", out, path])
    made, = glob.glob(os.path.join(out, "*"))
    check_equal(env.sha256(made), env.sha256(phone.old["work"]), "the update signed elsewhere")
    # One that does not fit is refused.
    shutil.copy(os.path.join(asked, update + "metadata.sig"), os.path.join(asked, update + "payload.sig"))
    said = run([*sign, "--attach", "-o", out, path], status=7).stderr
    check("MVP0634" in said, f"another signature was not refused: {said}")
    return len(rounds) + 1
