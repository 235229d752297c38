"""What the end-to-end tests share: running programs, builds, the handset in QEMU, partition tables, the oracle guest."""
