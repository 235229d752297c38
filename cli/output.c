/* What a command says while it runs: standard output, events, progress. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "imagegen/base/io.h"
#include "imagegen/base/num.h"

#define BAR_WIDTH 30u

void cli_print(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&cli->out, fmt, ap);
	va_end(ap);
}

void cli_say(struct cli *cli, const char *fmt, ...)
{
	if (cli->quiet || cli->json)
		return;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&cli->out, fmt, ap);
	va_end(ap);
}

int cli_flush(struct cli *cli)
{
	int r = buf_error(&cli->out);
	if (r == 0)
		r = io_write_all(STDOUT_FILENO, buf_str(&cli->out), cli->out.len);
	buf_fini(&cli->out);
	return r == 0 ? 0 : diag_fail(cli->diag, MVP0008, NULL, "cannot write standard output: %s", strerror(-r));
}

void cli_event(struct cli *cli, struct jsonw *j, const char *event)
{
	*j = JSONW_INIT(&cli->out, false);
	jsonw_document(j, "mvp.event", 1);
	jsonw_string(j, "event", event);
}

void cli_event_end(struct cli *cli, struct jsonw *j)
{
	jsonw_end(j);
	/* A reader that has gone is noticed when the last event is written. */
	if (buf_error(&cli->out) == 0 && io_write_all(STDOUT_FILENO, buf_str(&cli->out), cli->out.len) == 0)
		buf_fini(&cli->out);
}

void cli_json_diagnostics(const struct cli *cli, struct jsonw *j)
{
	jsonw_array(j, "diagnostics");
	for (size_t i = 0; i < diag_count(cli->diag); i++) {
		jsonw_object(j, NULL);
		render_json_item(diag_get(cli->diag, i), j);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void draw(const struct cli *cli, unsigned permille)
{
	char bar[BAR_WIDTH + 1];
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < permille * BAR_WIDTH / 1000 ? '#' : '-';
	bar[BAR_WIDTH] = 0;
	fprintf(stderr, "\r[%s] %3u%% %-40.40s", bar, permille / 10, cli->stage);
	fflush(stderr);
}

int cli_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cli *cli = ctx;
	uint64_t ratio = total == 0 ? 0 : done >= total ? 1000 : (uint64_t)((double)done / (double)total * 1000.0);
	/* All bytes written is not yet all verified and published: that is for cli_progress_end. */
	unsigned permille = (unsigned)num_max(cli->permille, num_min(ratio, 999));
	bool stage = strncmp(cli->stage, what, sizeof(cli->stage) - 1) != 0;
	bool step = permille / 10 != cli->permille / 10 || !cli->drawn;
	cli->permille = permille;
	if (stage)
		snprintf(cli->stage, sizeof(cli->stage), "%s", what);
	if ((stage || step) && cli->json) {
		struct jsonw j;
		cli_event(cli, &j, "progress");
		jsonw_string(&j, "stage", cli->stage);
		jsonw_uint(&j, "percent", permille / 10);
		cli_event_end(cli, &j);
		cli->drawn = true;
	} else if ((stage || step) && cli->progress) {
		draw(cli, permille);
		cli->drawn = true;
	}
	return cli_interrupted() ? 1 : 0;
}

void cli_progress_end(struct cli *cli, bool done)
{
	if (cli->json && done) {
		struct jsonw j;
		cli_event(cli, &j, "progress");
		jsonw_string(&j, "stage", "done");
		jsonw_uint(&j, "percent", 100);
		cli_event_end(cli, &j);
	} else if (cli->drawn && cli->progress) {
		snprintf(cli->stage, sizeof(cli->stage), "%s", done ? "done" : "");
		if (done)
			draw(cli, 1000);
		fputs(done ? "\n" : "\r\033[K", stderr);
	}
	cli->drawn = false;
}

const char *cli_tmp_dir(void)
{
	const char *dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/tmp";
}
