/* How orders, receipts and attestations are shown, and times and hexadecimal numbers read. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include "cli/cli.h"
#include "imagegen/order/message.h"

void print_message(struct cli *cli, const struct message *m);
void json_message(struct jsonw *j, const struct message *m); /* members of the object being written */

#define TIME_TEXT_LEN 32
const char *time_text(uint64_t seconds, char buf[TIME_TEXT_LEN]); /* "2026-11-29T08:00:00Z"; the number if it is no date. Returns buf */
bool time_parse(const char *text, uint64_t *ret_seconds);         /* such a text, or seconds since 1970 */

/* Digits of up to max bytes; false if they are odd, too many or none. */
bool hex_parse(const char *text, size_t max, uint8_t *ret, size_t *ret_len);

#endif
