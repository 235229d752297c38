/* Pictures of a running handset's screen: the last one, those asked for by SIGUSR1, and a film of all. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "cli/qmp.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/hyp/tool.h"
#include "imagegen/png/apng.h"

struct screen_opts {
	const char *screenshot, *record; /* files; NULL: not wished */
	bool keep_recent;                /* somebody may end QEMU itself: the last picture is then a recent one */
	uint32_t width, height;          /* of the screen */
};

struct screen {
	struct screen_opts opts;
	struct qmp qmp;
	int qemu_fd;  /* its end of the connection, until it runs */
	int frame_fd; /* memory that QEMU writes pictures into */
	uint8_t *last;
	size_t last_len;
	int64_t begun_ms, next_ms;
	struct tmpfile *film_file;
	struct apng *film;
};

#define SCREEN_INIT ((struct screen){ .qmp = QMP_INIT, .qemu_fd = -1, .frame_fd = -1 })

/* Makes what pictures need and adds QEMU's arguments. Where files cannot be written is noticed here. */
MUST_USE int screen_init(struct screen *s, const struct screen_opts *opts, struct args *argv, struct diag *d);
void screen_fini(struct screen *s);

/* In the child, before exec: async-signal-safe. */
void screen_pass_on(const struct screen *s);
/* In the parent, when QEMU runs. False: it does not answer. */
MUST_USE bool screen_begin(struct screen *s);
/* Now and then while it runs. *ret_off: the handset switched itself off. */
MUST_USE int screen_tick(struct screen *s, bool *ret_off, struct diag *d);
/* The end: the last picture, and both files complete. */
MUST_USE int screen_end(struct screen *s, struct diag *d);

#endif
