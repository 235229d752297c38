# Every key there is, each with a value: valid, and what nothing acts on yet is warned about.
: >keys/oem.pem
: >keys/enterprise.pem
: >keys/orders.pub
: >keys/escrow.crt
: >initrd.cpio
: >a.img
cat >all.yaml <<'X'
mvp: 1
name: acme-one
version: 2026.11.0
board: qemu-virt
oem: [generic]
carrier: verizon

keys:
  oem: keys/oem.pem
  enterprise: {file: "pkcs11:object=enterprise", passphrase: "env:PIN"}
  orders: keys/orders.pub
  escrow: keys/escrow.crt
  master: keys/master.key

hypervisor:
  foreground-share: 80%
  switch-key: leftmeta+tab
  console-key: ctrl-]
  console: prefixed
  build: release
  security-version: 1
  component-version: 3
  needs: {personal: 2, work: 1}

personas:
  personal:
    memory: 128 MiB
    cpus: 2
    security-version: 1
    component-version: 2
    needs: {hypervisor: 3, work: 1}
    boot: {kernel: /boot/vmlinuz-*, initrd: generate, cmdline: quiet}
    system:
      layers:
        - deb: [debs/linux-image-*.deb]
        - dir: rootfs
        - files:
            - {path: /etc/motd, content: "hello\n", mode: 0644, uid: 0, gid: 0}
            - {path: /etc/localtime, link: /usr/share/zoneinfo/UTC}
        - {tar: rootfs.tar, whiteouts: oci}
        - cpio: initrd.cpio
        - remove: [/usr/share/doc, "/var/cache/**"]
        - attributes:
            - {path: /usr/bin/ping, mode: 0755, uid: 0, gid: 0, xattrs: {security.capability: cap_net_raw+ep, user.old: null}}
        - android: {boot: a.img, init_boot: a.img, vendor_boot: a.img, dtbo: a.img, super: a.img, vendor: "super:vendor"}
      size: auto
      verity: on
      fec-roots: 2
    userdata: {size: 64 MiB}
    color: "#2e7d32"
    tools: false
    network: nat
    network-limit: 100 Mbit/s
  work:
    memory: 128 MiB
    cpus: 2
    security-version: 1
    component-version: 1
    needs: {hypervisor: 2, personal: 2}
    boot: {kernel: /boot/vmlinuz-*, initrd: generate, cmdline: quiet}
    system:
      layers: [{tar: rootfs.tar}]
      size: 512 MiB
    userdata: {size: 64 MiB}
    encryption:
      passcode: {file: keys/passcode, tries: 10, iterations: 100000}
      holes: keep

policy:
  notifications: {work-to-personal: title, personal-to-work: full, categories: {call: {work-to-personal: full}}, quiet: 22:00-07:00, rate: 60, queue: 32}
  clipboard: personal-to-work
  switch-request: [work]
  lease: {lock-after: 7 days, wipe-after: 30 days}
X
mvpctl validate all.yaml
