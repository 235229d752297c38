/* The vault's long questions (vmm/vault/orders.h), for tests of the ports they come by: every line that begins with `order ` is one, and
 * the test says when it is answered. */
#ifndef TESTS_UNIT_FIXTURE_ORDERS_H
#define TESTS_UNIT_FIXTURE_ORDERS_H

#include "vault_host.h"

#include <string.h>

#include "vmm/vault/orders.h"

static struct {
	char line[ORDERS_LINE_MAX + 1]; /* the last question */
	char answer[ORDERS_ANSWER_MAX];
	bool asked, dropped;
} question[ORDERS_SOURCES];

bool orders_ask(unsigned source, const char *line, size_t len)
{
	if (question[source].asked || len > ORDERS_LINE_MAX || len < 6 || memcmp(line, "order ", 6) || !memcmp(line, "order bad", 9))
		return false;
	memcpy(question[source].line, line, len);
	question[source].line[len] = 0;
	question[source].asked = true;
	question[source].dropped = false;
	question[source].answer[0] = 0;
	return true;
}

bool orders_is_asked(unsigned source)
{
	return question[source].asked;
}

size_t orders_answer(unsigned source, char ret[ORDERS_ANSWER_MAX])
{
	size_t len = strlen(question[source].answer);
	if (!question[source].asked || !len)
		return 0;
	question[source].asked = false;
	memcpy(ret, question[source].answer, len);
	return question[source].dropped ? 0 : len;
}

void orders_forget(unsigned source)
{
	question[source].dropped = true;
}

#endif
