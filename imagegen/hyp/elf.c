#include "imagegen/hyp/elf.h"

#include <elf.h>
#include <string.h>

#include "imagegen/base/num.h"

/* Item i of a table of count items of item_len bytes at byte at, copied to ret. */
static bool table_item(const uint8_t *data, size_t len, uint64_t at, uint64_t i, uint64_t item_len, void *ret, size_t ret_len)
{
	uint64_t offset;
	if (item_len != ret_len || !num_mul(i, item_len, &offset) || !num_add(offset, at, &offset) || !num_inside(offset, ret_len, len))
		return false;
	memcpy(ret, data + offset, ret_len);
	return true;
}

static bool read_segments(const uint8_t *data, size_t len, const Elf64_Ehdr *e, struct elf_sizes *ret)
{
	bool found = false;
	for (uint64_t i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr p;
		uint64_t end;
		if (!table_item(data, len, e->e_phoff, i, e->e_phentsize, &p, sizeof(p)))
			return false;
		if (p.p_type != PT_LOAD || !p.p_memsz)
			continue;
		if (!num_add(p.p_paddr, p.p_memsz, &end))
			return false;
		ret->start = found ? num_min(ret->start, p.p_paddr) : p.p_paddr;
		ret->end = found ? num_max(ret->end, end) : end;
		found = true;
	}
	return found;
}

static bool is_named(const uint8_t *data, const Elf64_Shdr *names, const Elf64_Shdr *s, const char *name)
{
	size_t len = strlen(name) + 1;
	return num_inside(s->sh_name, len, names->sh_size) && !memcmp(data + names->sh_offset + s->sh_name, name, len);
}

static bool read_sections(const uint8_t *data, size_t len, const Elf64_Ehdr *e, struct elf_sizes *ret)
{
	Elf64_Shdr names;
	bool found = false;
	if (!table_item(data, len, e->e_shoff, e->e_shstrndx, e->e_shentsize, &names, sizeof(names)) ||
	    !num_inside(names.sh_offset, names.sh_size, len))
		return false;
	for (uint64_t i = 0; i < e->e_shnum; i++) {
		Elf64_Shdr s;
		if (!table_item(data, len, e->e_shoff, i, e->e_shentsize, &s, sizeof(s)))
			return false;
		if (is_named(data, &names, &s, ".text")) {
			ret->text_len = s.sh_size;
			found = true;
		} else if (is_named(data, &names, &s, ".rodata") && !num_add(s.sh_addr, s.sh_size, &ret->const_end)) {
			return false;
		}
	}
	return found;
}

bool elf_read_sizes(const uint8_t *data, size_t len, struct elf_sizes *ret)
{
	struct elf_sizes sizes = { 0 };
	Elf64_Ehdr e;
	if (len < sizeof(e))
		return false;
	memcpy(&e, data, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_machine != EM_AARCH64)
		return false;
	if (!read_segments(data, len, &e, &sizes) || !read_sections(data, len, &e, &sizes))
		return false;
	*ret = sizes;
	return true;
}
