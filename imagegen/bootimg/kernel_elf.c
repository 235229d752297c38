/* Kernels that are ELF executables (ELF-64 object file format 1.5, ELF for the Arm 64-bit architecture), linked to physical addresses. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/wrap.h"

struct elf {
	const uint8_t *data;
	size_t len;
	const struct kernel_place *place;
	Elf64_Ehdr h;
	struct loc loc;
	struct wrap w;
	bool entered; /* the entry lies in a segment */
	struct diag *d;
};

static int check_header(struct elf *e)
{
	if (e->len < sizeof(e->h))
		return diag_fail(e->d, MVP0506, &e->loc, "the ELF file is cut off in its header");
	memcpy(&e->h, e->data, sizeof(e->h));
	if (e->h.e_ident[EI_CLASS] != ELFCLASS64 || e->h.e_ident[EI_DATA] != ELFDATA2LSB || e->h.e_machine != EM_AARCH64)
		return diag_fail(e->d, MVP0506, &e->loc, "the ELF file is not for 64-bit little-endian AArch64");
	if (e->h.e_type != ET_EXEC && e->h.e_type != ET_DYN) {
		diag_fail(e->d, MVP0506, &e->loc, "the ELF file is no executable, but an object file, a module or a core dump");
		diag_hint(e->d, "link it");
		return -1;
	}
	if (e->h.e_phentsize != sizeof(Elf64_Phdr) || !num_inside(e->h.e_phoff, e->h.e_phnum * sizeof(Elf64_Phdr), e->len))
		return diag_fail(e->d, MVP0506, &e->loc, "the ELF file's program headers are damaged");
	return 0;
}

static int add_segment(struct elf *e, unsigned i)
{
	Elf64_Phdr p;
	char what[32];
	memcpy(&p, e->data + e->h.e_phoff + i * sizeof(p), sizeof(p));
	if (p.p_type == PT_INTERP)
		return diag_fail(e->d, MVP0506, &e->loc, "the ELF file is a program of an operating system, with a dynamic linker");
	if (p.p_type != PT_LOAD || !p.p_memsz)
		return 0;
	(void)snprintf(what, sizeof(what), "segment %u", i);
	if (p.p_filesz > p.p_memsz || !num_inside(p.p_offset, p.p_filesz, e->len))
		return diag_fail(e->d, MVP0506, &e->loc, "%s of the ELF file is damaged or cut off", what);
	const struct wrap_part part = { .to = p.p_paddr, .room = p.p_memsz, .len = p.p_filesz, .data = e->data + p.p_offset };
	if (wrap_add(&e->w, &part, e->place, what, e->loc.file, e->d) < 0)
		return -1;
	/* An entry in terms of virtual addresses is meant where the code lies: there is no MMU yet. */
	if (!e->entered && num_inside(e->h.e_entry - p.p_vaddr, 4, p.p_filesz)) {
		e->w.entry = p.p_paddr + (e->h.e_entry - p.p_vaddr);
		e->entered = true;
	}
	return 0;
}

int kernel_wrap_elf(const uint8_t *data, size_t len, const struct kernel_place *place, const char *label, uint8_t **ret_image,
		    size_t *ret_len, struct diag *d)
{
	struct elf e = { .data = data, .len = len, .place = place, .loc = LOC_FILE(label), .d = d };
	if (check_header(&e) < 0)
		return -1;
	for (unsigned i = 0; i < e.h.e_phnum; i++)
		if (add_segment(&e, i) < 0)
			return -1;
	if (!e.w.count)
		return diag_fail(d, MVP0506, &e.loc, "the ELF file has no segment to load");
	if (!e.entered || e.w.entry % 4)
		return diag_fail(d, MVP0506, &e.loc, "the ELF file's entry 0x%llx is not in a segment, or no multiple of 4",
				 (unsigned long long)e.h.e_entry);
	return wrap_make(&e.w, place, label, ret_image, ret_len, d);
}
