/* Random guest behaviour against the virtual GICv3: register accesses, lines, SGIs, acknowledges and ends in any order. The state must stay
 * consistent: each interrupt in at most one list register, and only list registers the CPU has. */
#include <stdlib.h>

#include "../../vmm/core/vgic.c"

enum { LRS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vgic *g)
{
	for (uint32_t v = 0; v < g->vcpus; v++) {
		const struct vgic_cpu *c = &g->cpu[v];

		if (c->lr_used >> LRS)
			abort();
		for (uint32_t i = 0; i < LRS; i++) {
			if (!(c->lr_used & (1u << i)))
				continue;
			uint32_t intid = LR_VINTID(c->lr[i]);
			if (intid >= 32 + MVP_GUEST_SPIS)
				abort();
			for (uint32_t k = i + 1; k < LRS; k++)
				if ((c->lr_used & (1u << k)) && LR_VINTID(c->lr[k]) == intid)
					abort();
		}
	}
}

static void guest_step(struct vgic_cpu *c, uint8_t what)
{
	uint64_t *lr = &c->lr[what % LRS];

	if (!(c->lr_used & (1u << (what % LRS))))
		return;
	if ((what & 0x80) && (*lr & LR_PENDING))
		*lr = (*lr & ~LR_PENDING) | LR_ACTIVE;
	else
		*lr &= ~LR_ACTIVE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vgic g;

	vgic_reset(&g, 3, LRS);
	for (; size >= 8; data += 8, size -= 8) {
		uint32_t vcpu = data[1] % 3, off = (uint32_t)(data[2] | data[3] << 8), width = 1u << (data[1] >> 6);
		uint64_t val = (uint64_t)(data[4] | data[5] << 8 | data[6] << 16) | (uint64_t)data[7] << 24;

		val |= val << 32;
		switch (data[0] % 8) {
		case 0:
			vgic_dist_write(&g, off, width, val);
			break;
		case 1:
			(void)vgic_dist_read(&g, off, width);
			break;
		case 2:
			vgic_redist_write(&g, (data[1] & 0x3fu) * 0x10000 + off, width, val);
			break;
		case 3:
			(void)vgic_redist_read(&g, (data[1] & 0x3fu) * 0x10000 + off, width);
			break;
		case 4:
			vgic_spi_line(&g, data[4] % MVP_GUEST_SPIS, data[5] & 1);
			break;
		case 5:
			vgic_sgi(&g, vcpu, val, data[2] & 1);
			break;
		case 6:
			vgic_vtimer(&g, vcpu);
			break;
		default:
			guest_step(&g.cpu[vcpu], data[4]);
			break;
		}
		vgic_fold_locked(&g, vcpu);
		vgic_flush_locked(&g, vcpu);
		check(&g);
	}
	return 0;
}
