/* The mvpctl program: commands and options are const tables; parsing, --help, completion and the man pages' synopses come from them.
 *
 * A command is one file that ends in `const struct cmd cmd_NAME` and one line in commands.c. Its options are a static const array:
 *
 *	struct build_args { const char *out; struct opt_list formats; };
 *	static const struct opt opts[] = {
 *		OPT_STRING('o', "output", struct build_args, out, "DIR", "write the bundles to DIR"),
 *		OPT_LIST(0, "format", struct build_args, formats, "NAME", "make only this bundle format; may be repeated"),
 *	};
 *
 * run() gets a zeroed struct build_args that the options have filled in. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/jsonw.h"

/* The values of an option that may be repeated, in order. */
struct opt_list {
	const char **v;
	size_t count;
};

enum opt_kind { OPT_KIND_FLAG, OPT_KIND_COUNT, OPT_KIND_UINT, OPT_KIND_STRING, OPT_KIND_LIST };

struct opt {
	char letter;      /* 0: none */
	const char *name; /* without the dashes */
	enum opt_kind kind;
	size_t at;                                        /* offset of the member it fills */
	const char *arg;                                  /* placeholder of its value; NULL for flags */
	const char *help;                                 /* one line, no full stop */
	const char *const *(*choices)(size_t *ret_count); /* optional: the values it takes; all others are refused */
};

/* The offset of a member, if it has the type the option fills: anything else does not compile. */
#define OPT_AT(type, member, want) _Generic(&((type *)0)->member, want * : offsetof(type, member))

#define OPT_FLAG(letter_, name_, type, member, help_) \
	{ \
		.letter = (letter_), .name = (name_), .kind = OPT_KIND_FLAG, .at = OPT_AT(type, member, bool), .help = (help_) \
	}
/* How often it was given. */
#define OPT_COUNT(letter_, name_, type, member, help_) \
	{ \
		.letter = (letter_), .name = (name_), .kind = OPT_KIND_COUNT, .at = OPT_AT(type, member, unsigned), .help = (help_) \
	}
#define OPT_UINT(letter_, name_, type, member, arg_, help_) \
	{ \
		.letter = (letter_), .name = (name_), .kind = OPT_KIND_UINT, .at = OPT_AT(type, member, unsigned), .arg = (arg_), \
		.help = (help_) \
	}
#define OPT_STRING(letter_, name_, type, member, arg_, help_, ...) \
	{ \
		.letter = (letter_), .name = (name_), .kind = OPT_KIND_STRING, .at = OPT_AT(type, member, const char *), .arg = (arg_), \
		.help = (help_), __VA_ARGS__ \
	}
#define OPT_LIST(letter_, name_, type, member, arg_, help_, ...) \
	{ \
		.letter = (letter_), .name = (name_), .kind = OPT_KIND_LIST, .at = OPT_AT(type, member, struct opt_list), .arg = (arg_), \
		.help = (help_), __VA_ARGS__ \
	}

/* What --json means for a command. */
enum cmd_json {
	CMD_JSON_NONE,     /* refused */
	CMD_JSON_DOCUMENT, /* run() prints one document when it succeeds; a failure prints one of schema mvp.diagnostics instead */
	CMD_JSON_EVENTS,   /* one object a line: run() emits events by cli_event(); diagnostics and the end are emitted for it */
};

struct example {
	const char *command, *text;
};

struct cli;

struct cmd {
	const char *name;
	const char *operands;    /* "MANIFEST", "[FILE]"; NULL: none */
	const char *summary;     /* one line, no full stop */
	const char *group;       /* heading in `mvpctl help` */
	const char *description; /* paragraphs for --help and the man page, lines of at most 78 columns */
	const struct opt *opts;
	size_t opts_count;
	size_t args_size; /* of what the options fill; 0: no options */
	unsigned operands_min, operands_max;
	enum cmd_json json;
	const enum exit_status *exits; /* what it may end with besides 0, 1 and 2 */
	size_t exits_count;
	const struct example *examples;
	size_t examples_count;
	const struct cmd *const *subs; /* commands below this one (`keys init`); then run is NULL */
	size_t subs_count;
	/* 0, or -1 with the reason in cli->diag: the exit status comes from there. */
	int (*run)(struct cli *cli, const void *args);
};

/* In a command: one of its lists and how many there are in it. */
#define CMD_LIST(list, array) .list = array, .list##_count = ARRAY_LEN(array)

/* One run of the program. */
struct cli {
	bool help, version, quiet, json;
	unsigned verbose, jobs; /* jobs 0: one per CPU */
	const char *directory;
	bool color;               /* of standard error */
	bool progress;            /* draw it: standard error is a terminal, not quiet, not json */
	const struct cmd *cmd;    /* NULL until known */
	const struct cmd *parent; /* of a sub-command */
	char *const *operands;
	size_t operands_count;
	struct diag *diag;
	struct buf out;    /* standard output, written by cli_flush() */
	unsigned permille; /* of the progress shown last */
	char stage[64];    /* its text */
	bool drawn;        /* the progress line is on the screen */
	bool differ;       /* what was to be compared is not the same: exit status 1 */
};

extern const struct cmd *const commands[];
extern const size_t commands_count;

/* The folder for files without a name: $TMPDIR, else /tmp. */
const char *cli_tmp_dir(void);
/* Appends to standard output, which is written when the command ends (or by cli_flush). */
void cli_print(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Only without -q and --json. */
void cli_say(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes what was printed so far; -1 and MVP0008 if that fails. */
MUST_USE int cli_flush(struct cli *cli);

/* A progress_fn (ctx is the struct cli): draws on a terminal, emits events with --json. Never goes backwards; shows 100 % only when
 * cli_progress_end says that all is done and verified. Returns non-zero once SIGINT or SIGTERM came. */
int cli_progress(void *ctx, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(struct cli *cli, bool done);

/* From now on SIGINT and SIGTERM are told to d and to cli_interrupted(); a second one kills the program at once. Ignores SIGPIPE. */
void interrupt_catch(struct diag *d);
bool cli_interrupted(void);

/* With --json of CMD_JSON_EVENTS: {"schema":"mvp.event","version":1,"event":NAME,...}; the caller adds members, then cli_event_end. */
void cli_event(struct cli *cli, struct jsonw *j, const char *event);
void cli_event_end(struct cli *cli, struct jsonw *j);

/* The diagnostics so far as the member "diagnostics" of the object being written. */
void cli_json_diagnostics(const struct cli *cli, struct jsonw *j);

#endif
