#include "imagegen/layer/capability.h"

#include <string.h>

#include "imagegen/base/bytes.h"

#define REVISION_2 0x02000000u
#define EFFECTIVE 1u

/* By number: Linux, include/uapi/linux/capability.h. */
static const char *const names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

/* The capability that the first len characters of text name; -1 if none. */
static int find(const char *text, size_t len)
{
	if (len < 4 || strncmp(text, "cap_", 4) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len - 4 && strncmp(names[i], text + 4, len - 4) == 0)
			return (int)i;
	return -1;
}

bool capability_parse(const char *text, uint8_t ret[CAPABILITY_LEN])
{
	uint64_t caps = 0, permitted = 0, inheritable = 0;
	bool effective = false;
	for (;;) {
		size_t len = strcspn(text, ",+=");
		int cap = find(text, len);
		if (cap < 0)
			return false;
		caps |= (uint64_t)1 << cap;
		text += len;
		if (*text != ',')
			break;
		text++;
	}
	if (*text == '\0' || text[1] == '\0')
		return false;
	for (text++; *text != '\0'; text++) {
		if (*text == 'e')
			effective = true;
		else if (*text == 'p')
			permitted = caps;
		else if (*text == 'i')
			inheritable = caps;
		else
			return false;
	}
	/* The kernel knows one bit for all: effective are the permitted and inheritable ones, so there must be some. */
	if ((permitted | inheritable) == 0)
		return false;
	put_le32(ret, REVISION_2 | (effective ? EFFECTIVE : 0));
	for (unsigned half = 0; half < 2; half++) {
		put_le32(ret + 4 + half * 8, (uint32_t)(permitted >> (half * 32)));
		put_le32(ret + 8 + half * 8, (uint32_t)(inheritable >> (half * 32)));
	}
	return true;
}
