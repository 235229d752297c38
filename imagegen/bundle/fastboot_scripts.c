#include "imagegen/bundle/fastboot_scripts.h"

#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/output.h"

/* The scripts flash partition by partition. `fastboot update` of clients before 34 knows only Android's own partitions (and wants a system
 * image), so it cannot flash a handset of ours. */

static bool slotted(const struct bundle *b)
{
	for (size_t i = 0; i < b->parts_count; i++)
		if (b->parts[i].slots)
			return true;
	return false;
}

/* Larger images are split by the client, which asks the bootloader; the profile knows of bootloaders that do not tell. */
static char *limit_option(const struct bundle *b)
{
	return b->oem && b->oem->max_download.v ? mem_printf("-S %llu ", (unsigned long long)b->oem->max_download.v) : mem_strdup("");
}

void fastboot_emit_android_info(const struct bundle *b, struct buf *out)
{
	buf_printf(out, "require board=%s\n", b->board);
}

void fastboot_emit_fastboot_info(const struct bundle *b, struct buf *out)
{
	buf_puts(out, "version 1\n");
	for (size_t i = 0; i < b->parts_count; i++) {
		char *image CLEANUP_FREE = bundle_image_name(&b->parts[i]);
		char *own CLEANUP_FREE = mem_printf("%s.img", b->parts[i].name);
		if (b->parts[i].own)
			continue;
		/* The client's default is the name of the partition. */
		if (strcmp(image, own) == 0)
			buf_printf(out, "flash %s\n", b->parts[i].name);
		else
			buf_printf(out, "flash %s %s\n", b->parts[i].name, image);
	}
}

void fastboot_emit_sh(const struct bundle *b, struct buf *out)
{
	char *limit CLEANUP_FREE = limit_option(b);
	buf_printf(out,
		   "#!/bin/sh\n"
		   "# Flashes %s %s onto the handset that is in fastboot mode, all partitions: what is on them is lost.\n"
		   "# With several handsets attached, ANDROID_SERIAL chooses one.\n"
		   "set -eu\n"
		   "\n"
		   "fail()\n"
		   "{\n"
		   "\techo \"flash-all.sh: $*\" >&2\n"
		   "\texit 1\n"
		   "}\n"
		   "\n"
		   "cd \"$(dirname \"$0\")\"\n"
		   "command -v fastboot >/dev/null || fail 'fastboot is not installed'\n"
		   "command -v unzip >/dev/null || fail 'unzip is not installed'\n"
		   "product=$(fastboot getvar product 2>&1 | tr -d '\\r' | sed -n 's/^product: *//p')\n"
		   "[ \"$product\" = %s ] || fail \"this package is for '%s', the handset says '$product'\"\n"
		   "\n"
		   "work=$(mktemp -d \"${TMPDIR:-/tmp}/flash-all.XXXXXX\")\n"
		   "trap 'rm -rf \"$work\"' EXIT\n"
		   "trap 'exit 130' HUP INT TERM\n"
		   "\n"
		   "flash()\n"
		   "{\n"
		   "\tunzip -q -o image-%s-%s.zip \"$2\" -d \"$work\"\n"
		   "\tfastboot %sflash \"$1\" \"$work/$2\"\n"
		   "\trm -f \"$work/$2\"\n"
		   "}\n"
		   "\n",
		   b->product, b->version, b->board, b->board, b->product, b->version, limit);
	for (size_t i = 0; i < b->parts_count; i++) {
		const char *name = b->parts[i].name;
		char *image CLEANUP_FREE = bundle_image_name(&b->parts[i]);
		for (unsigned slot = 0; !b->parts[i].own && slot < bundle_copies(&b->parts[i]); slot++)
			buf_printf(out, "flash %s%s %s\n", name, !b->parts[i].slots ? "" : slot ? "_b" : "_a", image);
	}
	buf_puts(out, slotted(b) ? "fastboot set_active a\nfastboot reboot\n" : "fastboot reboot\n");
}

/* cmd.exe finds labels reliably only in files with CR LF. tar.exe (part of Windows since 2018) unpacks zip. */
void fastboot_emit_bat(const struct bundle *b, struct buf *out)
{
	char *limit CLEANUP_FREE = limit_option(b);
	buf_printf(out,
		   "@ECHO OFF\r\n"
		   "REM Flashes %s %s onto the handset that is in fastboot mode, all partitions: what is on them is lost.\r\n"
		   "REM With several handsets attached, ANDROID_SERIAL chooses one.\r\n"
		   "SETLOCAL\r\n"
		   "CD /D \"%%~dp0\"\r\n"
		   "WHERE fastboot >NUL 2>NUL\r\n"
		   "IF ERRORLEVEL 1 (ECHO fastboot is not installed & EXIT /B 1)\r\n"
		   "fastboot getvar product 2>&1 | FINDSTR /X /C:\"product: %s\" >NUL\r\n"
		   "IF ERRORLEVEL 1 (ECHO this package is for '%s', which the handset is not & EXIT /B 1)\r\n"
		   "SET WORK=%%TEMP%%\\flash-all-%%RANDOM%%%%RANDOM%%\r\n"
		   "MKDIR \"%%WORK%%\"\r\n"
		   "IF ERRORLEVEL 1 EXIT /B 1\r\n",
		   b->product, b->version, b->board, b->board);
	for (size_t i = 0; i < b->parts_count; i++) {
		const char *name = b->parts[i].name;
		char *image CLEANUP_FREE = bundle_image_name(&b->parts[i]);
		for (unsigned slot = 0; !b->parts[i].own && slot < bundle_copies(&b->parts[i]); slot++)
			buf_printf(out,
				   "CALL :flash %s%s %s\r\n"
				   "IF ERRORLEVEL 1 GOTO failed\r\n",
				   name,
				   !b->parts[i].slots ? ""
				   : slot             ? "_b"
						      : "_a",
				   image);
	}
	buf_printf(out,
		   "RMDIR /S /Q \"%%WORK%%\"\r\n"
		   "%s"
		   "fastboot reboot\r\n"
		   "EXIT /B %%ERRORLEVEL%%\r\n"
		   "\r\n"
		   ":flash\r\n"
		   "tar -xf image-%s-%s.zip -C \"%%WORK%%\" %%2\r\n"
		   "IF ERRORLEVEL 1 EXIT /B 1\r\n"
		   "fastboot %sflash %%1 \"%%WORK%%\\%%2\"\r\n"
		   "IF ERRORLEVEL 1 EXIT /B 1\r\n"
		   "DEL \"%%WORK%%\\%%2\"\r\n"
		   "EXIT /B 0\r\n"
		   "\r\n"
		   ":failed\r\n"
		   "ECHO flashing failed\r\n"
		   "RMDIR /S /Q \"%%WORK%%\"\r\n"
		   "EXIT /B 1\r\n",
		   slotted(b) ? "fastboot set_active a\r\n" : "", b->product, b->version, limit);
}
