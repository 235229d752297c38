/* Start of day: one CPU builds everything, brings up the others, and the vault takes over. */
#include "arch.h"
#include "cpu.h"
#include "hcr.h"
#include "measure.h"
#include "stack.h"

#define FN_PSCI_CPU_ON 0xc4000003ull
#define FN_PSCI_SYSTEM_OFF 0x84000008ull
#define FN_PSCI_SYSTEM_RESET 0x84000009ull
enum { BOOT_POLLS = 100000000 };

extern char stacks[], vectors[], secondary_start[], vault_blob[], vault_blob_end[], __core_end[], __core_start[], __rodata_end[];
extern void enter_guest(struct vcpu *v) __attribute__((noreturn));
void core_main(void);
void core_secondary(struct pcpu *p);
void __stack_chk_fail(void);

struct pcpu pcpus[MVP_MAX_CPUS];
uint32_t pcpus_online;
struct vm vms[VM_COUNT];

_Static_assert(offsetof(struct pcpu, stack_top) == 0, "start.S, vectors.S");
_Static_assert(offsetof(struct pcpu, canary) == 8, "core.cflags");
_Static_assert(offsetof(struct vcpu, regs) == 0 && offsetof(struct regs, pc) == 248, "vectors.S");

void board_power(bool reset)
{
	measure_report();
	smc((uint64_t[4]){ reset ? FN_PSCI_SYSTEM_RESET : FN_PSCI_SYSTEM_OFF });
	for (;;)
		wfi();
}

void core_panic(const char *what, uint64_t v)
{
	put_line(what, v);
	board_power(true);
}

/* Referenced by generated code only. */
__attribute__((used)) void __stack_chk_fail(void)
{
	core_panic("stack overwritten below", (uint64_t)__builtin_frame_address(0));
}

/* What start.S and compiled code need before a CPU's first call that returns. The canaries differ from boot to boot, as far as a counter
 * does; guests never see one. */
static void prepare_cpu(struct pcpu *p, uint32_t index)
{
	p->index = index;
	p->stack_top = (uint64_t)stacks + CORE_STACK_STRIDE * (index + 1);
	p->canary = (sysreg_read(cntpct_el0) + index) * 0x9e3779b97f4a7c15ull;
}

/* The same on every CPU, before its first guest: nothing of this has a defined reset value on hardware. */
static void cpu_init(struct pcpu *p)
{
	uint64_t pfr0 = sysreg_read(id_aa64pfr0_el1), mmfr0 = sysreg_read(id_aa64mmfr0_el1);
	uint64_t mmfr1 = sysreg_read(id_aa64mmfr1_el1), dfr0 = sysreg_read(id_aa64dfr0_el1);
	uint64_t pa_range = mmfr0 & 0xf, pmu = dfr0 >> 8 & 0xf;
	uint64_t counters = pmu && pmu != 0xf ? sysreg_read(pmcr_el0) >> 11 & 0x1f : 0;

	sysreg_write(vbar_el2, vectors);
	p->mpidr = sysreg_read(mpidr_el1) & 0xff00ffffffull;
	if ((pfr0 >> 24 & 0xf) == 0)
		core_panic("this CPU has no GICv3 interface; start the board with one. CPU", p->mpidr);

	sysreg_write(hcr_el2, HCR_GUEST); /* SMC is trapped from here on */
	sysreg_write(cptr_el2, CPTR_GUEST | CPTR_TFP);
	sysreg_write(mdcr_el2, MDCR_GUEST | counters);
	sysreg_write(cnthctl_el2, CNTHCTL_GUEST);
	sysreg_write(cntvoff_el2, 0);
	sysreg_write(cntv_ctl_el0, 0);
	sysreg_write(cnthp_ctl_el2, 0);
	sysreg_write(hstr_el2, HSTR_GUEST);
	sysreg_write(vpidr_el2, sysreg_read(midr_el1));
	sysreg_write(vtcr_el2, VTCR_GUEST | (pa_range < 5 ? pa_range : 5) << 16);
	if (mmfr0 >> 56 & 0xf) {                       /* FEAT_FGT; UNKNOWN at reset */
		sysreg_write(S3_4_C1_C1_4, HFG_GUEST); /* HFGRTR_EL2 */
		sysreg_write(S3_4_C1_C1_5, HFG_GUEST); /* HFGWTR_EL2 */
		sysreg_write(S3_4_C1_C1_6, HFG_GUEST); /* HFGITR_EL2 */
		sysreg_write(S3_4_C3_C1_4, HFG_GUEST); /* HDFGRTR_EL2 */
		sysreg_write(S3_4_C3_C1_5, HFG_GUEST); /* HDFGWTR_EL2 */
	}
	if (mmfr1 >> 40 & 0xf)                          /* FEAT_HCX */
		sysreg_write(S3_4_C1_C2_2, HCRX_GUEST); /* HCRX_EL2 */
	isb();
	tlb_flush_guests_local();
	irq_init_cpu(p);
}

static void vm_init(struct vm *vm, uint32_t id, uint32_t vcpus)
{
	vm->id = id;
	vm->vcpus = vcpus;
	for (uint32_t i = 0; i < vcpus; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].index = i;
		vm->vcpu[i].state = VCPU_OFF;
	}
}

/* Gives every vCPU a home: personas side by side as far as there are CPUs, then shared. */
static void place_personas(void)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < mvp_core_config.personas; i++) {
		const struct mvp_core_persona *c = &mvp_core_config.persona[i];
		struct vm *vm = &vms[i];

		vm->ram_pa = c->ram_pa;
		vm->ram_size = c->ram_size;
		vm->weight = i ? c->weight_bg : c->weight_fg;
		if (!c->vcpus || c->vcpus > MVP_MAX_VCPUS || !c->weight_fg || !c->weight_bg)
			core_panic("configuration of persona", i);
		vm_init(vm, i, c->vcpus);
		vgic_reset(&vm->gic, c->vcpus, irq_list_registers());
		for (uint32_t k = 0; k < c->vcpus; k++) {
			struct pcpu *home = &pcpus[next++ % pcpus_online];

			vm->vcpu[k].home = home;
			home->run[home->run_count++] = &vm->vcpu[k];
		}
	}
}

/* The vault's image goes to its place through the window, and out of the caches: it starts with its MMU off. */
static void load_vault(void)
{
	const struct mvp_core_config *c = &mvp_core_config;
	uint64_t len = (uint64_t)(vault_blob_end - vault_blob);

	if (len > c->vault_size)
		core_panic("the vault does not fit its memory", len);
	for (uint64_t done = 0; done < len;) {
		uint64_t piece = len - done < MVP_BLOCK_SIZE ? len - done : MVP_BLOCK_SIZE;
		char *to = window_map((paddr_t){ c->vault_pa + done });

		__builtin_memcpy(to, vault_blob + done, piece);
		cache_flush(to, piece);
		window_unmap();
		done += piece;
	}
	icache_flush();
	vm_init(&vms[VM_VAULT], VM_VAULT, MVP_MAX_CPUS);
}

/* Starts the CPUs that the configuration knows and the board has. All or as many as answer; they are numbered without gaps. */
static void start_secondaries(void)
{
	pcpus_online = 1;
	for (uint32_t i = 1; i < mvp_core_config.cpus && i < MVP_MAX_CPUS; i++) {
		struct pcpu *p = &pcpus[pcpus_online];

		prepare_cpu(p, pcpus_online);
		dsb(sy);
		uint64_t call[4] = { FN_PSCI_CPU_ON, mvp_core_config.cpu_mpidr[i], (uint64_t)secondary_start, (uint64_t)p };
		smc(call);
		if (call[0])
			continue; /* not there */
		for (uint32_t k = 0; k < BOOT_POLLS && !__atomic_load_n(&p->online, __ATOMIC_ACQUIRE); k++)
			relax();
		if (!p->online)
			core_panic("a CPU was started but does not answer", mvp_core_config.cpu_mpidr[i]);
		pcpus_online++;
	}
}

static void start_vault_vcpu(struct pcpu *p)
{
	p->vault = &vms[VM_VAULT].vcpu[p->index];
	p->vault->home = p;
	p->vault->state = VCPU_READY;
	vcpu_reset(p->vault, MVP_VAULT_BASE, p->index);
	p->vault->regs.x[1] = pcpus_online;
	p->vault->regs.x[2] = (uint64_t)(__rodata_end - __core_start);
}

void core_secondary(struct pcpu *p)
{
	cpu_init(p);
	psci_init_cpu();
	__atomic_store_n(&p->online, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&vault_ready, __ATOMIC_ACQUIRE))
		wfi(); /* CPU 0 rings when its vault is up */
	start_vault_vcpu(p);
	irq_handle(p);
	enter_guest(sched_next(p));
}

void core_main(void)
{
	struct pcpu *p = &pcpus[0];

	prepare_cpu(p, 0);
	if (mvp_core_config.revision != MVP_CONFIG_REVISION || mvp_core_config.personas > MVP_MAX_PERSONAS ||
	    mvp_core_config.vault_mmio_count > MVP_MAX_VAULT_MMIO || mvp_core_config.vault_irqs_count > MVP_MAX_VAULT_IRQS)
		core_panic("this configuration is for another core, revision", mvp_core_config.revision);
	irq_init_dist();
	cpu_init(p);
	p->online = 1;
	for (uint32_t i = 0; i < mvp_core_config.personas; i++) {
		vms[i].ram_pa = mvp_core_config.persona[i].ram_pa;
		vms[i].ram_size = mvp_core_config.persona[i].ram_size;
	}
	stage2_init();
	psci_init();
	start_secondaries();
	load_vault();
	place_personas();
	start_vault_vcpu(p);
	p->vault_started = true;
	switch_to(p, p->vault);
	enter_guest(p->vault);
}
