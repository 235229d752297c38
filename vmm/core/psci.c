/* PSCI 1.1 (Arm DEN 0022), SMCCC 1.1 (DEN 0028) and entropy (TRNG, DEN 0098) for personas. Answered here, but for the calls that mitigate
 * speculation, which only firmware can do. Of these WORKAROUND_2 is none of theirs: it switches the CPU, which others run on, too. */
#include "arch.h"
#include "cpu.h"

enum {
	PSCI_SUCCESS = 0,
	PSCI_NOT_SUPPORTED = -1,
	PSCI_INVALID_PARAMETERS = -2,
	PSCI_ALREADY_ON = -4,
	PSCI_ON_PENDING = -5,
	PSCI_INVALID_ADDRESS = -9,
	AFFINITY_ON = 0,
	AFFINITY_OFF = 1,
	AFFINITY_PENDING = 2,
	MIGRATE_NOT_NEEDED = 2,
	WORKAROUND_NOT_REQUIRED = 1,
	TRNG_NO_ENTROPY = -3,
	TRNG_WORDS = 3,
};

#define FN_VERSION 0x84000000u
#define FN_CPU_SUSPEND 0x84000001u
#define FN_CPU_OFF 0x84000002u
#define FN_CPU_ON 0x84000003u
#define FN_AFFINITY_INFO 0x84000004u
#define FN_MIGRATE_INFO_TYPE 0x84000006u
#define FN_SYSTEM_OFF 0x84000008u
#define FN_SYSTEM_RESET 0x84000009u
#define FN_FEATURES 0x8400000au
#define FN_SMCCC_VERSION 0x80000000u
#define FN_SMCCC_ARCH_FEATURES 0x80000001u
#define FN_WORKAROUND_1 0x80008000u
#define FN_WORKAROUND_2 0x80007fffu
#define FN_WORKAROUND_3 0x80003fffu
#define FN_TRNG_VERSION 0x84000050u
#define FN_TRNG_FEATURES 0x84000051u
#define FN_TRNG_UUID 0x84000052u
#define FN_TRNG_RND 0x84000053u
#define FN_64 0x40000000u /* the 64-bit variant of a call */

#define PSCI_VERSION_1_1 0x10001
#define SMCCC_VERSION_1_1 0x10001
#define TRNG_VERSION_1_0 0x10000

static bool firmware_has_smccc; /* 1.1 or later: it knows SMCCC_ARCH_FEATURES */
static const uint32_t trng_uuid[4] = { 0x7d6f1c2b, 0x4e905a31, 0xb2c84fa6, 0x63e7d019 };

/* A call that this CPU's firmware answers. */
static int64_t firmware(uint64_t fn, uint64_t a1)
{
	uint64_t r[4] = { fn, a1 };

	if (!firmware_has_smccc)
		return PSCI_NOT_SUPPORTED;
	smc(r);
	return (int32_t)r[0];
}

void psci_init(void)
{
	uint64_t r[4] = { FN_FEATURES, FN_SMCCC_VERSION };

	smc(r);
	firmware_has_smccc = (int32_t)r[0] >= 0;
	psci_init_cpu();
}

void psci_init_cpu(void)
{
	(void)firmware(FN_WORKAROUND_2, 1);
}

static int64_t arch_features(uint32_t fn)
{
	int64_t r;

	switch (fn) {
	case FN_SMCCC_VERSION:
	case FN_SMCCC_ARCH_FEATURES:
		return PSCI_SUCCESS;
	case FN_WORKAROUND_1:
	case FN_WORKAROUND_2:
	case FN_WORKAROUND_3:
		r = firmware(FN_SMCCC_ARCH_FEATURES, fn);
		return fn == FN_WORKAROUND_2 && r == PSCI_SUCCESS ? WORKAROUND_NOT_REQUIRED : r;
	default:
		return PSCI_NOT_SUPPORTED;
	}
}

void psci_random(struct vcpu *v, bool have, const uint64_t words[TRNG_WORDS])
{
	uint64_t *x = v->regs.x;
	uint32_t left = v->random_bits, size = x[0] & FN_64 ? 64 : 32;

	v->random_bits = 0;
	x[0] = have ? PSCI_SUCCESS : (uint64_t)TRNG_NO_ENTROPY;
	for (uint32_t i = 0; i < TRNG_WORDS; i++) {
		uint32_t take = !have ? 0 : left < size ? left : size;

		x[TRNG_WORDS - i] = take ? words[i] >> (64 - take) : 0;
		left -= take;
	}
}

/* MPIDR affinity fields -> vCPU; NULL if there is none. */
static struct vcpu *target_of(struct vm *vm, uint64_t mpidr)
{
	return mpidr < vm->vcpus ? &vm->vcpu[mpidr] : NULL;
}

static int64_t cpu_on(struct vm *vm, uint64_t mpidr, uint64_t entry, uint64_t context)
{
	struct vcpu *t = target_of(vm, mpidr);
	uint32_t state = VCPU_OFF;

	if (!t)
		return PSCI_INVALID_PARAMETERS;
	if ((entry & 3) || entry < MVP_GUEST_RAM || entry - MVP_GUEST_RAM >= vm->ram_size)
		return PSCI_INVALID_ADDRESS;
	/* Two callers may race: one wins the claim and writes the arguments, then hands over to the home CPU. */
	if (!__atomic_compare_exchange_n(&t->state, &state, VCPU_CLAIMED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return state == VCPU_CLAIMED || state == VCPU_ON_PENDING ? PSCI_ON_PENDING : PSCI_ALREADY_ON;
	t->on_entry = entry;
	t->on_context = context;
	__atomic_add_fetch(&vm->live, 1, __ATOMIC_ACQ_REL);
	__atomic_store_n(&t->state, VCPU_ON_PENDING, __ATOMIC_RELEASE);
	ring(t->home);
	return PSCI_SUCCESS;
}

static int64_t affinity_info(struct vm *vm, uint64_t mpidr, uint64_t level)
{
	struct vcpu *t = target_of(vm, mpidr);

	if (!t || level)
		return PSCI_INVALID_PARAMETERS;
	switch (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE)) {
	case VCPU_OFF:
		return AFFINITY_OFF;
	case VCPU_CLAIMED:
	case VCPU_ON_PENDING:
		return AFFINITY_PENDING;
	default:
		return AFFINITY_ON;
	}
}

static int64_t features(uint32_t fn)
{
	switch (fn) {
	case FN_VERSION:
	case FN_CPU_SUSPEND:
	case FN_CPU_SUSPEND | FN_64:
	case FN_CPU_OFF:
	case FN_CPU_ON:
	case FN_CPU_ON | FN_64:
	case FN_AFFINITY_INFO:
	case FN_AFFINITY_INFO | FN_64:
	case FN_MIGRATE_INFO_TYPE:
	case FN_SYSTEM_OFF:
	case FN_SYSTEM_RESET:
	case FN_FEATURES:
	case FN_SMCCC_VERSION:
		return PSCI_SUCCESS;
	default:
		return PSCI_NOT_SUPPORTED;
	}
}

bool psci_call(struct pcpu *p, struct vcpu *v)
{
	uint64_t *x = v->regs.x;
	uint32_t fn = (uint32_t)x[0];
	bool wide = fn & FN_64;
	uint64_t a1 = wide ? x[1] : (uint32_t)x[1];
	uint64_t a2 = wide ? x[2] : (uint32_t)x[2];
	uint64_t a3 = wide ? x[3] : (uint32_t)x[3];
	int64_t r = PSCI_NOT_SUPPORTED;

	switch (fn) {
	case FN_VERSION:
		r = PSCI_VERSION_1_1;
		break;
	case FN_FEATURES:
		r = features((uint32_t)a1);
		break;
	case FN_SMCCC_VERSION:
		r = SMCCC_VERSION_1_1;
		break;
	case FN_SMCCC_ARCH_FEATURES:
		r = arch_features((uint32_t)a1);
		break;
	case FN_WORKAROUND_1:
	case FN_WORKAROUND_3:
		r = firmware(fn, a1);
		break;
	case FN_TRNG_VERSION:
		r = TRNG_VERSION_1_0;
		break;
	case FN_TRNG_FEATURES:
		r = a1 - FN_TRNG_VERSION <= FN_TRNG_RND - FN_TRNG_VERSION || a1 == (FN_TRNG_RND | FN_64) ? PSCI_SUCCESS
													 : PSCI_NOT_SUPPORTED;
		break;
	case FN_TRNG_UUID:
		for (uint32_t i = 1; i < ARRAY_LEN(trng_uuid); i++)
			x[i] = trng_uuid[i];
		r = trng_uuid[0];
		break;
	case FN_TRNG_RND:
	case FN_TRNG_RND | FN_64:
		r = PSCI_INVALID_PARAMETERS;
		if (!a1 || a1 > (wide ? 64 : 32) * TRNG_WORDS)
			break;
		v->random_bits = (uint32_t)a1;
		vault_random(p, v);
		return false;
	case FN_MIGRATE_INFO_TYPE:
		r = MIGRATE_NOT_NEEDED;
		break;
	case FN_CPU_ON:
	case FN_CPU_ON | FN_64:
		r = cpu_on(v->vm, a1, a2, a3);
		break;
	case FN_AFFINITY_INFO:
	case FN_AFFINITY_INFO | FN_64:
		r = affinity_info(v->vm, a1, a2);
		break;
	case FN_CPU_SUSPEND:
	case FN_CPU_SUSPEND | FN_64: /* every state is a standby: returns at the next interrupt */
		x[0] = PSCI_SUCCESS;
		vcpu_block(v);
		return false;
	case FN_CPU_OFF:
		vcpu_off(v);
		return false;
	case FN_SYSTEM_OFF:
		vm_request_stop(v->vm, STOP_OFF);
		return false;
	case FN_SYSTEM_RESET:
		vm_request_stop(v->vm, STOP_RESET);
		return false;
	default:
		break;
	}
	x[0] = (uint64_t)r;
	return true;
}
