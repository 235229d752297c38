/* The wire format of the port org.mvp.notify between a persona's agent and the vault, version 1; mvp-vmm(7) describes the protocol.
 * All numbers are little-endian. A frame is a head and `len` bytes; frames follow each other without gaps. */
#ifndef MVP_NOTIFY_H
#define MVP_NOTIFY_H

#include <stdint.h>

#define MVP_NOTIFY_MAGIC 0x4e4d /* "MN" */
#define MVP_NOTIFY_VERSION 1

struct mvp_notify_head {
	uint16_t magic;
	uint8_t version;
	uint8_t type; /* enum mvp_notify_type */
	uint32_t len; /* bytes behind the head, at most MVP_NOTIFY_BODY_MAX */
	uint64_t seq; /* of an item, or of the item that is answered; else 0 */
};

enum mvp_notify_type {
	MVP_NOTIFY_HELLO = 1,   /* agent: begins; struct mvp_notify_hello */
	MVP_NOTIFY_WELCOME = 2, /* vault: struct mvp_notify_welcome */
	MVP_NOTIFY_ITEM = 3,    /* both: struct mvp_notify_item and its texts */
	MVP_NOTIFY_RESULT = 4,  /* both, for each item: struct mvp_notify_result */
	MVP_NOTIFY_ERROR = 5,   /* vault: struct mvp_notify_error; it listens again when the port is opened again */
};

struct mvp_notify_hello {
	uint64_t epoch; /* of the last WELCOME that the agent remembers, or 0 */
	uint64_t got;   /* number of the last item that it has taken in that epoch, or 0 */
};

struct mvp_notify_welcome {
	uint64_t epoch;   /* another one: the handset was switched off, and the vault's numbers begin again */
	uint64_t taken;   /* number of the last item that the vault has taken from this persona, or 0 */
	uint32_t queue;   /* items that wait for the other persona at most */
	uint32_t rate;    /* items a minute that the vault takes */
	char persona[16]; /* its own name, and the other's; NUL-padded */
	char other[16];
};

enum mvp_notify_kind {
	MVP_NOTIFY_ALERT = 1,     /* app, title, body */
	MVP_NOTIFY_DISMISS = 2,   /* the alert `id` is dismissed, or withdrawn by who sent it */
	MVP_NOTIFY_OPEN = 3,      /* the user wants to see the other side's alert `id` there */
	MVP_NOTIFY_CLIPBOARD = 4, /* body: the text */
};

/* Categories of alerts; the manifest's policy is per category. */
enum mvp_notify_category {
	MVP_NOTIFY_OTHER,
	MVP_NOTIFY_CALL,
	MVP_NOTIFY_MESSAGE,
	MVP_NOTIFY_MAIL,
	MVP_NOTIFY_CALENDAR,
	MVP_NOTIFY_ALARM,
	MVP_NOTIFY_SYSTEM,
	MVP_NOTIFY_CATEGORIES,
};

enum mvp_notify_priority { MVP_NOTIFY_LOW, MVP_NOTIFY_NORMAL, MVP_NOTIFY_HIGH, MVP_NOTIFY_URGENT, MVP_NOTIFY_PRIORITIES };

/* How much of an alert the other side gets. */
enum mvp_notify_level { MVP_NOTIFY_NONE, MVP_NOTIFY_COUNT, MVP_NOTIFY_TITLE, MVP_NOTIFY_FULL };

#define MVP_NOTIFY_CAN_OPEN 1u /* actions that the alert offers */
#define MVP_NOTIFY_CAN_DISMISS 2u
#define MVP_NOTIFY_ACTIONS 3u

#define MVP_NOTIFY_MINE 1u  /* flag of DISMISS and OPEN: `id` is an alert of the one who reads it; else one of the other's */
#define MVP_NOTIFY_QUIET 2u /* flag that the vault sets in quiet hours: no sound, no pop-up */

#define MVP_NOTIFY_APP_MAX 64u /* bytes of UTF-8 */
#define MVP_NOTIFY_TITLE_MAX 256u
#define MVP_NOTIFY_TEXT_MAX 2048u /* body of an alert */
#define MVP_NOTIFY_CLIPBOARD_MAX 8192u

/* Followed by app, title and body, without terminators. UTF-8; no control characters but tab and line feed in the body. What a kind has no
 * use for is 0. */
struct mvp_notify_item {
	uint8_t kind;     /* enum mvp_notify_kind */
	uint8_t category; /* enum mvp_notify_category */
	uint8_t priority; /* enum mvp_notify_priority */
	uint8_t actions;  /* MVP_NOTIFY_CAN_* */
	uint8_t level;    /* enum mvp_notify_level: the vault says what was left; 0 from an agent */
	uint8_t flags;
	uint16_t app_len, title_len, body_len;
	uint32_t reserved; /* 0 */
	uint64_t id;       /* an alert is known by the number of the item that it was sent in; 0 in an alert from an agent */
	uint64_t time;     /* seconds since 1970 */
};

#define MVP_NOTIFY_BODY_MAX (sizeof(struct mvp_notify_item) + MVP_NOTIFY_CLIPBOARD_MAX)
#define MVP_NOTIFY_FRAME_MAX (sizeof(struct mvp_notify_head) + MVP_NOTIFY_BODY_MAX)

enum mvp_notify_answer {
	MVP_NOTIFY_TAKEN = 0,  /* it will not be lost, and need not be sent again */
	MVP_NOTIFY_BUSY = 1,   /* not taken, nor anything behind it: send it again after wait_ms */
	MVP_NOTIFY_DENIED = 2, /* the policy forbids it: do not send it again */
};

struct mvp_notify_result {
	uint32_t answer; /* enum mvp_notify_answer; an agent says MVP_NOTIFY_TAKEN */
	uint32_t wait_ms;
};

enum mvp_notify_wrong {
	MVP_NOTIFY_WRONG_FRAME = 1,   /* magic, type or length */
	MVP_NOTIFY_WRONG_VERSION = 2, /* the vault speaks MVP_NOTIFY_VERSION */
	MVP_NOTIFY_WRONG_ORDER = 3,   /* no HELLO, a second one, or a number that is 0 or was not given */
	MVP_NOTIFY_WRONG_ITEM = 4,    /* its fields or texts break the rules */
};

struct mvp_notify_error {
	uint32_t why; /* enum mvp_notify_wrong */
	uint32_t reserved;
};

_Static_assert(sizeof(struct mvp_notify_head) == 16 && sizeof(struct mvp_notify_hello) == 16 && sizeof(struct mvp_notify_welcome) == 56 &&
		       sizeof(struct mvp_notify_item) == 32 && sizeof(struct mvp_notify_result) == 8 &&
		       sizeof(struct mvp_notify_error) == 8,
	       "wire format");

#endif
