/* A data folder of the test's own with the smallest core and vault that can be linked, and the project's templates. For one test program:
 * everything is static, and datadir() looks at MVP_DATADIR once. */
#ifndef TESTS_FIXTURE_HYP_H
#define TESTS_FIXTURE_HYP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"

static struct tmpdir *data; /* what MVP_DATADIR names */

static const char cflags[] = "-std=gnu17 -Os -g -ffreestanding -fno-pic -march=armv8-a\n-Wall -Werror\n";

static inline void put(const char *name, const char *text)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", tmpdir_path(data), name);
	FILE *out CLEANUP(file_closep) = NULL;
	for (char *slash = strchr(path + strlen(tmpdir_path(data)) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0777);
		*slash = '/';
	}
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
}

/* A folder of the source tree, which tests are run in. */
static inline void link_source(const char *name)
{
	char *to CLEANUP_FREE = mem_printf("%s/%s", tmpdir_path(data), name), *from CLEANUP_FREE = realpath(name, NULL);
	assert_non_null(from);
	(void)unlink(to);
	assert_int_equal(symlink(from, to), 0);
}

/* Afresh: tests damage single files. */
static inline void put_all(void)
{
	put("vmm/cflags", cflags);
	put("vmm/core.cflags", "-flto\n");
	put("vmm/vault.cflags", "-flto\n");
	put("vmm/vault.sources", "# vault\nvault/start.S\nvault/main.c simd\nvault/plain.c\n");
	put("vmm/core.sources", "core/start.S\ncore/main.c # one\n\ncore/vault_blob.S\n");
	put("vmm/vault/start.S", "\t.section .text.start, \"ax\"\n\t.global _start\n_start:\tb vault_main\n");
	put("vmm/vault/main.c", "#include \"mvp/config.h\"\n#include <arm_neon.h>\nvoid vault_main(uint8_t *p);\nuint8_t first_key(void);\n"
				"void vault_main(uint8_t *p)\n{\n\tvst1q_u8(p, vaeseq_u8(vld1q_u8(p), vdupq_n_u8(first_key())));\n}\n");
	put("vmm/vault/plain.c", "#include \"mvp/config.h\"\nuint8_t first_key(void);\nuint8_t first_key(void)\n{\n\treturn "
				 "(uint8_t)mvp_vault_config.personas;\n}\n");
	put("vmm/vault/vault.ld", "ENTRY(_start)\nPHDRS { code PT_LOAD FLAGS(5); all PT_LOAD FLAGS(6); }\nSECTIONS { . = 0x40000000; .text "
				  ": { KEEP(*(.text.start)) *(.text*) *(.rodata*) } :code "
				  ".data : { *(.data*) *(.bss*) } :all /DISCARD/ : { *(.comment) *(.eh_frame) *(.note*) } }\n");
	put("vmm/core/start.S", "\t.section .head, \"ax\"\n\t.global head\nhead:\tb core_main\n");
	put("vmm/core/main.c",
	    "#include \"mvp/config.h\"\n#define FILE_NAME __FILE__\nextern const char *volatile core_name;\nconst char *volatile core_name "
	    "= "
	    "FILE_NAME;\nvoid core_main(void);\nvoid core_main(void)\n{\n\twhile (mvp_core_config.cpus)\n\t\tcore_name = 0;\n}\n");
	put("vmm/core/vault_blob.S", "\t.section .vault_blob, \"a\"\n\t.incbin MVP_VAULT_BLOB\n");
	put("vmm/core/core.ld", "ENTRY(head)\nPHDRS { code PT_LOAD FLAGS(5); all PT_LOAD FLAGS(6); }\nSECTIONS { . = LOAD_PA; .text : { "
				"KEEP(*(.head)) *(.text*) } :code "
				".rodata : { *(.rodata*) KEEP(*(.vault_blob)) } :code .data : { *(.data*) *(.bss*) } :all "
				"/DISCARD/ : { *(.comment) *(.eh_frame) *(.note*) } }\n");
	link_source("vmm/include");
	link_source("templates");
}

static inline void fixture_hyp_open(void)
{
	if (tmpdir_new("/tmp", &data) || setenv("MVP_DATADIR", tmpdir_path(data), 1))
		abort();
}

static inline void fixture_hyp_close(void)
{
	tmpdir_free(data);
}

#endif
