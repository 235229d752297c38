/* System V ABI, "ELF Header" and "Section Header" (Elf64). All offsets and counts come from the file. */
#include "imagegen/initrd/modinfo.h"

#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"

#define EHDR_LEN 64
#define SHDR_LEN 64
#define SHN_XINDEX 0xffff
#define SHT_NOBITS 8

struct section {
	uint32_t name, type;
	uint64_t at, len;
};

static bool section_get(const uint8_t *elf, size_t len, uint64_t table_at, uint64_t index, struct section *ret)
{
	uint64_t offset;
	if (!num_mul(index, SHDR_LEN, &offset) || !num_add(table_at, offset, &offset) || !num_inside(offset, SHDR_LEN, len))
		return false;
	const uint8_t *p = elf + offset;
	*ret = (struct section){ get_le32(p), get_le32(p + 4), get_le64(p + 24), get_le64(p + 32) };
	return ret->type == SHT_NOBITS || num_inside(ret->at, ret->len, len);
}

enum modinfo_result modinfo_parse(const uint8_t *elf, size_t len, struct modinfo *ret_info, uint16_t *ret_machine)
{
	static const uint8_t magic[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	static const char wanted[] = ".modinfo";
	struct section names, s;
	if (len < EHDR_LEN || memcmp(elf, magic, sizeof magic) != 0)
		return MODINFO_NO_ELF;
	uint64_t table_at = get_le64(elf + 40);
	uint16_t entry_len = get_le16(elf + 58), count = get_le16(elf + 60), names_index = get_le16(elf + 62);
	*ret_machine = get_le16(elf + 18);
	/* Modules have some dozens of sections; more than 65279, which ELF keeps elsewhere, is none of a module's business. */
	if (entry_len != SHDR_LEN || count == 0 || names_index == SHN_XINDEX || names_index >= count)
		return MODINFO_DAMAGED;
	if (!section_get(elf, len, table_at, names_index, &names) || names.type == SHT_NOBITS)
		return MODINFO_DAMAGED;
	for (uint16_t i = 0; i < count; i++) {
		if (!section_get(elf, len, table_at, i, &s))
			return MODINFO_DAMAGED;
		if (!num_inside(s.name, sizeof wanted, names.len) || memcmp(elf + names.at + s.name, wanted, sizeof wanted) != 0)
			continue;
		if (s.type == SHT_NOBITS || (s.len > 0 && elf[s.at + s.len - 1] != '\0'))
			return MODINFO_DAMAGED;
		*ret_info = (struct modinfo){ (const char *)elf + s.at, (size_t)s.len };
		return MODINFO_OK;
	}
	return MODINFO_NO_SECTION;
}

const char *modinfo_next(const struct modinfo *info, const char *key, const char *last)
{
	size_t key_len = strlen(key);
	size_t at = last ? (size_t)(last - info->text) + strlen(last) + 1 : 0;
	while (at < info->len) {
		const char *s = info->text + at;
		if (strncmp(s, key, key_len) == 0 && s[key_len] == '=')
			return s + key_len + 1;
		at += strlen(s) + 1;
	}
	return NULL;
}
