"""What a carrier changes is in the system that is built: APNs and configuration as Android reads them (by schemas that xmllint checks), and
preloads, logo and lock as properties."""
import os
import re

from kit import env, gpt, mini
from kit.env import check, check_equal, run
from kit.flat import FLAT_AT, Guest

HERE = os.path.dirname(os.path.abspath(__file__))
CARRIERS = os.path.join(env.ROOT, "templates", "carriers")

MANIFEST = """mvp: 1
name: carried
version: '1'
board: qemu-virt
carrier: {carrier}
keys: {{master: keys/master.key}}
personas:
  personal:
    memory: 32 MiB
    cpus: 1
    boot: {{kernel: "file:{kernel}", initrd: none}}
    system: {{layers: [{{files: [{{path: /product/etc/mvp-carrier.prop, content: "of no carrier"}}]}}]}}
  work:
    memory: 32 MiB
    cpus: 1
    boot: {{kernel: "file:{kernel}", initrd: none}}
    system: {{layers: [{{files: [{{path: /etc/motd, content: hello}}]}}]}}
    encryption: {{passcode: {{file: keys/passcode, iterations: 1000}}}}
"""

# Every kind of value, and text that XML has to quote. Its name is that of the file.
OWN = """carrier: 1
name: own
title: 'Own & Partners'
country-iso: DE
id: 2098
networks: ['26299', '262999']
apns:
  - {name: 'a "quoted" <name>', apn: own.example, types: 'default,mms', user: 'me&you', password: "it's", auth: pap-chap,
     mmsc: 'http://mms.example/', mmsproxy: 192.0.2.1, mmsport: '8080', mtu: 1420}
  - {name: ims, apn: ims, types: ims, protocol: IPV6, networks: ['26299']}
config:
  - {key: carrier_volte_available_bool, value: 'true'}
  - {key: ims_reg_timeout_int, value: '-5'}
  - {key: data_limit_long, value: '5368709120'}
  - {key: ratio_double, value: '0.5'}
  - {key: carrier_name_string, value: 'A & B <C>'}
  - {key: codes_int_array, values: ['1', '2']}
  - {key: names_string_array, values: ['x', '"y"']}
preload:
  - {package: com.example.mail, policy: install, file: mail.apk}
  - {package: com.example.offer, policy: offer, file: offer.apk}
  - {package: com.example.shop, policy: disable}
boot-logo: {text: 'Own "$1"'}
lock: locked
"""


APKS = {"mail.apk": bytes(range(256)) * 300, "offer.apk": b"PK\0\0offer"}


def _system(folder, carrier, kernel):
    """The personal side's system partition, as a file."""
    with open(os.path.join(folder, "phone.yaml"), "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(carrier=carrier, kernel=kernel))
    out = os.path.join(folder, "out")
    run([env.MVPCTL, "build", "-q", "--format=disk", "-o", out, os.path.join(folder, "phone.yaml")])
    disk = os.path.join(out, "carried-1.img")
    personal = gpt.read(disk)["personal"]
    system = gpt.read(disk, personal.at)["system"]
    path = os.path.join(folder, "system.img")
    env.copy_range(disk, system.at, system.length, path)
    run(["e2fsck", "-fn", path])
    return path


def _dump(image, name, target):
    if os.path.exists(target):
        os.unlink(target)
    run(["debugfs", "-R", f"dump {name} {target}", image])
    check(os.path.exists(target), f"{name} is not in the system")
    return target


def _xpath(path, expression):
    return run(["xmllint", "--xpath", expression, path]).stdout.strip()


def _files(image, folder, carrier):
    """(apns, config, properties) of a system, the XML checked."""
    shown = run(["debugfs", "-R", "ls -p /product/etc/carrierconfig", image]).stdout
    listed = re.findall(r"carrier_config_carrierid_\d+_[\w-]+\.xml", shown)
    check_equal(len(listed), 1, f"files of CarrierConfig in {listed}")
    check(listed[0].endswith(f"_{carrier}.xml"), f"the configuration is {listed[0]}")
    apns = _dump(image, "/product/etc/apns-conf.xml", os.path.join(folder, "apns-conf.xml"))
    config = _dump(image, f"/product/etc/carrierconfig/{listed[0]}", os.path.join(folder, "config.xml"))
    for path, schema in (apns, "apns.rng"), (config, "carrier_config.rng"):
        run(["xmllint", "--noout", "--nonet", "--relaxng", os.path.join(HERE, schema), path])
    with open(_dump(image, "/product/etc/mvp-carrier.prop", os.path.join(folder, "prop")), encoding="utf-8") as f:
        return apns, config, dict(line.split("=", 1) for line in f.read().splitlines())


def _folder():
    """With keys and a kernel: (path, kernel)."""
    folder = env.fresh("carrier")
    mini.take_keys(folder)
    with open(os.path.join(folder, "keys/passcode"), "w", encoding="utf-8") as f:
        f.write(mini.PASSCODE)
    return folder, Guest(folder, "guest", FLAT_AT, 1000).flat()


def test_is_in_the_system():
    folder, kernel = _folder()
    carriers = sorted(name.removesuffix(".yaml") for name in os.listdir(CARRIERS) if name.endswith(".yaml"))
    check(len(carriers) >= 3, f"carriers: {carriers}")
    for carrier in carriers:
        _, _, props = _files(_system(folder, carrier, kernel), folder, carrier)
        check_equal(props["ro.carrier"], carrier, "ro.carrier")
    _every_kind_of_value(folder, kernel)
    return len(carriers) + 1


def _what_init_reads(folder, props):
    """Android's init gets the same properties: its quotes, backslashes and dollars are undone as its language says."""
    with open(_dump(os.path.join(folder, "system.img"), "/product/etc/init/mvp-carrier.rc", os.path.join(folder, "rc")), encoding="utf-8") as f:
        head, *lines = f.read().splitlines()
    check_equal(head, "on early-init", "when init sets them")
    words = [re.fullmatch(r'    setprop (\S+) "((?:[^"\\]|\\.)*)"', line) for line in lines]
    check(all(words), f"not of init's language: {lines}")
    check_equal({w[1]: re.sub(r"\\(.)", r"\1", w[2]).replace("$$", "$") for w in words}, props, "properties by init")


def _preloads(folder):
    system = os.path.join(folder, "system.img")
    for package, name in (("com.example.mail", "mail.apk"), ("com.example.offer", "offer.apk")):
        with open(_dump(system, f"/product/app/{package}/{package}.apk", os.path.join(folder, "apk")), "rb") as f:
            check(f.read() == APKS[name], f"{package} is not the file of the profile")
    path = _dump(system, "/product/etc/sysconfig/mvp-carrier.xml", os.path.join(folder, "sysconfig.xml"))
    run(["xmllint", "--noout", "--nonet", path])
    check_equal(_xpath(path, "string(/config/disabled-until-used-preinstalled-carrier-app/@package)"), "com.example.offer", "offered")
    check_equal(_xpath(path, "string(/config/install-in-user-type[do-not-install-in/@user-type='FULL']/@package)"), "com.example.shop",
                "disabled")
    check_equal(_xpath(path, "count(/config/*)"), "2", "packages that are not just installed")
    # An APK that changes is another system; one that is not there is missed by its line.
    with open(os.path.join(folder, "mail.apk"), "wb") as f:
        f.write(b"newer")
    with open(_dump(_system(folder, "own.yaml", os.path.join(folder, "guest.bin")), "/product/app/com.example.mail/com.example.mail.apk",
                    os.path.join(folder, "apk")), "rb") as f:
        check_equal(f.read(), b"newer", "the package after its file changed")
    os.unlink(os.path.join(folder, "mail.apk"))
    said = run([env.MVPCTL, "build", "-q", "--format=disk", "-o", os.path.join(folder, "out"), os.path.join(folder, "phone.yaml")], status=4)
    check(re.search(r"own\.yaml:\d+:\d+: error\[MVP0302\]: '.*mail\.apk' cannot be read", said.stderr), said.stderr)


def _every_kind_of_value(folder, kernel):
    with open(os.path.join(folder, "own.yaml"), "w", encoding="utf-8") as f:
        f.write(OWN)
    for name, data in APKS.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    apns, config, props = _files(_system(folder, "own.yaml", kernel), folder, "own")
    first = "//apn[@apn='own.example' and @mcc='262' and @mnc='999']"
    for expression, want in {
            "count(//apn)": "3", f"string({first}/@carrier)": 'a "quoted" <name>', f"string({first}/@user)": "me&you",
            f"string({first}/@password)": "it's", f"string({first}/@authtype)": "3", f"string({first}/@mtu)": "1420",
            "string(//apn[@apn='ims']/@protocol)": "IPV6"}.items():
        check_equal(_xpath(apns, expression), want, expression)
    for expression, want in {
            "string(//boolean[@name='carrier_volte_available_bool']/@value)": "true", "string(//int/@value)": "-5",
            "string(//long/@value)": "5368709120", "string(//double/@value)": "0.5", "string(//string)": "A & B <C>",
            "sum(//int-array/item/@value)": "3", "string(//int-array/@num)": "2", "string(//string-array/item[2]/@value)": '"y"'}.items():
        check_equal(_xpath(config, expression), want, expression)
    check_equal({key: props[key] for key in props if key.startswith("ro.mvp.")},
                {"ro.mvp.carrier.title": "Own & Partners", "ro.mvp.carrier.id": "2098", "ro.mvp.boot.logo": 'Own "$1"',
                 "ro.mvp.carrier.lock": "locked", "ro.mvp.preload.com.example.mail": "install",
                 "ro.mvp.preload.com.example.offer": "offer", "ro.mvp.preload.com.example.shop": "disable"}, "properties")
    check_equal(props["ro.oem_unlock_supported"], "0", "OEM unlocking of a phone that is locked to its carrier")
    _what_init_reads(folder, props)
    _preloads(folder)
    # The schemas tell: an APN without its network, and a number where none is, are refused.
    for path, old, new, schema in (apns, 'mcc="262"', 'mcc="2"', "apns.rng"), (config, 'value="-5"', 'value="five"', "carrier_config.rng"):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        check(old in text, f"{old} is not in {path}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
        run(["xmllint", "--noout", "--nonet", "--relaxng", os.path.join(HERE, schema), path], status=3)
