/* Any bytes as a manifest: no crash, no leak, and either a manifest or at least one error. What was read is usable. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/manifest/chord.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/manifest/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void use(const struct manifest *m)
{
	uint16_t chord[CHORD_MAX];
	const char *bad;
	size_t bad_len;
	uint8_t key;
	if (!m->name.s || !m->version.s || !m->board.s || !m->keys.master.s)
		abort();
	if (value_console_key(m->hypervisor.console_key.s, &key) != VALUE_OK)
		abort();
	if (chord_parse(m->hypervisor.switch_key.s, chord, &bad, &bad_len) != CHORD_OK)
		abort();
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		const struct persona *p = &m->personas[i];
		if (!p->boot.kernel.s || !p->boot.initrd.s || !p->boot.cmdline.s || p->memory.v == 0 || p->memory.v % (2 * MIB) ||
		    p->cpus.v == 0)
			abort();
		if (p->has_system != (p->system.layers_count > 0))
			abort();
		for (size_t l = 0; l < p->system.layers_count; l++) {
			const struct layer *layer = &p->system.layers[l];
			if ((layer->kind == LAYER_FILES) != (layer->files_count > 0) ||
			    (layer->kind != LAYER_FILES) != (layer->paths.count > 0))
				abort();
			for (size_t f = 0; f < layer->files_count; f++) {
				const struct layer_file *file = &layer->files[f];
				if (!file->path.s || file->path.s[0] != '/' || !file->content.s == !file->link.s || file->mode > 07777)
					abort();
			}
		}
	}
	if (!m->personas[PERSONA_WORK].encryption.on || !m->personas[PERSONA_WORK].encryption.passcode_file.s)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	int r = manifest_parse("fuzz.yaml", data, len, false, &m, d);
	if ((r == 0) != (m != NULL) || (r < 0) != (diag_errors(d) > 0))
		abort();
	if (m)
		use(m);
	return 0;
}
