/* What is typed on the lock screen: a passcode, or the old one and twice the new one. What it looks like: test_vault_front.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/lib.c"
#include "../../vmm/vault/ui/draw.c"
#include "../../vmm/vault/ui/font.c"
#include "../../vmm/vault/ui/lock.c"

extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

struct persona personas[MVP_MAX_PERSONAS];
static unsigned unlocks, changes;
static char old_one[PASSCODE_MAX + 1], new_one[PASSCODE_MAX + 1];

void arch_clean(const void *at, size_t len)
{
	(void)at;
	(void)len;
}

bool screen_is_on(void)
{
	return false;
}

struct canvas screen_frame(void)
{
	abort();
}

unsigned front_persona(void)
{
	return 1;
}

void front_due(uint64_t when)
{
	(void)when;
}

const struct mvp_state *state_get(void)
{
	abort();
}

unsigned wipe_percent(void)
{
	return 0;
}

void lease_describe(char *text, size_t size)
{
	(void)size;
	text[0] = 0;
}

unsigned handset_managed(void)
{
	return 1;
}

static void keep(char *to, const uint8_t *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = 0;
}

void handset_unlock(unsigned persona, const uint8_t *code, size_t len)
{
	assert_int_equal(persona, 1);
	unlocks++;
	keep(old_one, code, len);
}

void handset_change_passcode(unsigned persona, const uint8_t *code, size_t len, const uint8_t *next, size_t next_len)
{
	assert_int_equal(persona, 1);
	changes++;
	keep(old_one, code, len);
	keep(new_one, next, next_len);
}

static void type_text(const char *text)
{
	for (; *text; text++)
		lock_char((uint8_t)*text);
}

static void check_forgotten(void)
{
	static const uint8_t nothing[sizeof(entered)];
	assert_memory_equal(entered, nothing, sizeof(entered));
	assert_memory_equal(passcode, nothing, sizeof(passcode));
	assert_int_equal(passcode_len, 0);
	assert_int_equal(entry, ENTRY_UNLOCK);
}

static int locked(void **state)
{
	(void)state;
	personas[1].state = PERSONA_LOCKED;
	unlocks = changes = 0;
	lock_forget();
	return 0;
}

static void test_passcode_unlocks(void **state)
{
	(void)state;
	type_text("\r24\b58\r");
	assert_int_equal(unlocks, 1);
	assert_string_equal(old_one, "258");
	check_forgotten();
}

static void test_old_and_twice_new_change(void **state)
{
	(void)state;
	type_text("x\t\rold\r\rnext\rnext\r");
	assert_int_equal(changes, 1);
	assert_int_equal(unlocks, 0);
	assert_string_equal(old_one, "old");
	assert_string_equal(new_one, "next");
	check_forgotten();
}

static void test_new_ones_that_differ_are_asked_for_again(void **state)
{
	(void)state;
	type_text("\told\rnext\rnexu\r");
	assert_int_equal(entry, ENTRY_NEXT);
	assert_true(differed);
	type_text("next\rnex\r");
	assert_int_equal(entry, ENTRY_NEXT);
	assert_int_equal(changes, 0);
	type_text("next\rnext\r");
	assert_int_equal(changes, 1);
	assert_string_equal(new_one, "next");
	check_forgotten();
}

static void test_tab_goes_back_and_forgets(void **state)
{
	(void)state;
	type_text("\told\rnext\t");
	check_forgotten();
	type_text("12\r");
	assert_int_equal(unlocks, 1);
	assert_int_equal(changes, 0);
}

static void test_line_is_taken_back(void **state)
{
	(void)state;
	type_text("\tol\x15old\rnext\rnextt\x15next\r");
	assert_int_equal(changes, 1);
	assert_string_equal(old_one, "old");
	assert_string_equal(new_one, "next");
}

static void test_nobody_asks_an_open_persona(void **state)
{
	(void)state;
	personas[1].state = PERSONA_UNLOCKING;
	type_text("\told\rnext\rnext\r");
	assert_int_equal(changes + unlocks, 0);
	check_forgotten();
}

static void test_longest_passcodes_fit(void **state)
{
	(void)state;
	for (int line = 0; line < 3; line++) {
		if (!line)
			lock_char('\t');
		for (unsigned i = 0; i < PASSCODE_MAX + 9; i++)
			lock_char((uint8_t)(line ? 'n' : 'o'));
		lock_char('\r');
	}
	assert_int_equal(changes, 1);
	assert_int_equal(strlen(old_one), PASSCODE_MAX);
	assert_int_equal(strlen(new_one), PASSCODE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_passcode_unlocks, locked),
		cmocka_unit_test_setup(test_old_and_twice_new_change, locked),
		cmocka_unit_test_setup(test_new_ones_that_differ_are_asked_for_again, locked),
		cmocka_unit_test_setup(test_tab_goes_back_and_forgets, locked),
		cmocka_unit_test_setup(test_line_is_taken_back, locked),
		cmocka_unit_test_setup(test_nobody_asks_an_open_persona, locked),
		cmocka_unit_test_setup(test_longest_passcodes_fit, locked),
	};
	return cmocka_run_group_tests_name("vault_lock", tests, NULL, NULL);
}
