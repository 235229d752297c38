# The vault's AES and SHA-256 code is arm64 instructions: its test is built for that, static, and runs under qemu-aarch64 (qemu-user).
VAULT_CE_SRC := vmm/vault/aes_ce.c vmm/vault/sha256_ce.c vmm/vault/sha256.c
$(O)/unit/test_vault_ce.arm64: tests/unit/test_vault_ce.c $(VAULT_CE_SRC) $(wildcard vmm/vault/*.h) | $(O)/deps/test
	@mkdir -p $(@D)
	$(CROSS)gcc -std=gnu17 $(WARN) -O2 -static -march=armv8-a+crypto -DMVP_HOST -I. -Ivmm/include -o $@ $(filter %.c,$^)

$(O)/unit/test_vault_ce: $(O)/unit/test_vault_ce.arm64
	@printf '#!/bin/sh\nexec qemu-aarch64 -cpu cortex-a53 "$$0.arm64"\n' > $@ && chmod +x $@
