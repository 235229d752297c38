/* A plugin of QEMU 7.2 (docs/devel/tcg-plugins: its interface, version 1) that counts executed instructions by place.
 *
 *   -plugin count.so,out=FILE,range=START-END,...     (hexadecimal, multiples of 4, at most four ranges, not overlapping)
 *
 * Whenever a guest executes HINT #0x7a, a NOP to the CPU, FILE gets one record of native 64-bit words: instructions so far below 2^47 and
 * above, in no range; then for each range how often each of its words was executed. For one thread of execution (-icount): nothing locks.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What of the interface is used; Debian has no package with its header. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef uint64_t qemu_plugin_id_t;
enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0, INTERFACE = 1 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *at, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned, void *), int flags, void *data);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern const int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

#define MARK 0xd5032f5fu
#define RANGES 4
#define UPPER (1ull << 47)

struct range {
	uint64_t start, end, *count;
};

const int qemu_plugin_version = INTERFACE;
static uint64_t low, high;
static struct range ranges[RANGES];
static size_t ranges_count;
static FILE *out;

static void marked(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	bool ok = fwrite(&low, sizeof(low), 1, out) == 1 && fwrite(&high, sizeof(high), 1, out) == 1;
	for (size_t i = 0; i < ranges_count; i++) {
		size_t words = (ranges[i].end - ranges[i].start) / 4;
		ok = ok && fwrite(ranges[i].count, sizeof(uint64_t), words, out) == words;
	}
	if (!ok || fflush(out)) {
		perror("count: writing a record");
		exit(1);
	}
}

static uint64_t *counter(uint64_t pc)
{
	for (size_t i = 0; i < ranges_count; i++) {
		if (pc >= ranges[i].start && pc < ranges[i].end)
			return &ranges[i].count[(pc - ranges[i].start) / 4];
	}
	return pc < UPPER ? &low : &high;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t word;
		memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
		if (word == MARK)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, CB_NO_REGS, NULL);
		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, counter(qemu_plugin_insn_vaddr(insn)), 1);
	}
}

static bool add_range(const char *text)
{
	struct range *r = &ranges[ranges_count];
	if (ranges_count == RANGES || sscanf(text, "%" SCNx64 "-%" SCNx64, &r->start, &r->end) != 2 || r->start >= r->end ||
	    (r->start | r->end) % 4)
		return false;
	r->count = calloc((r->end - r->start) / 4, sizeof(uint64_t));
	ranges_count++;
	return r->count != NULL;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		bool ok = false;
		if (!strncmp(argv[i], "out=", 4))
			ok = (out = fopen(argv[i] + 4, "wb")) != NULL;
		else if (!strncmp(argv[i], "range=", 6))
			ok = add_range(argv[i] + 6);
		if (!ok) {
			fprintf(stderr, "count: cannot use '%s'\n", argv[i]);
			return 1;
		}
	}
	if (!out) {
		fprintf(stderr, "count: out=FILE is missing\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
