/* Unlocking and changing the passcode of a container that imagegen writes, on a disk whose power is cut at every write. cryptsetup opens
 * what comes of it. */
#define FIXTURE_UNLOCKS 1
#include "fixture_vault.h"

#include <openssl/hmac.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#define derive imagegen_derive
#include "imagegen/crypt/luks2.h"
#undef derive

enum {
	WRITES = 10,        /* four pieces of the new key material, two headers, four pieces of the old */
	OPERATIONS = 14,    /* and the flushes behind each of these four */
	FIRST_COPY_END = 7, /* of these */
};

static uint8_t container[MVP_LUKS2_DATA_OFFSET]; /* the header and key slots of the fresh one */
static const char old_code[] = "old code", new_code[] = "a new one", third_code[] = "the third",
		  recovery[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static enum { NOT_TRIED, RIGHT, WRONG } outcome;

void handset_opened(bool ok)
{
	assert_true(ok);
}

void handset_unlock_result(unsigned persona, bool right)
{
	assert_int_equal(persona, 1);
	outcome = right ? RIGHT : WRONG;
}

void handset_unlock_refused(unsigned persona, const char *wrong)
{
	(void)persona;
	fail_msg("%s", wrong);
}

uint64_t disk_sectors(void)
{
	return DISK_LEN / SECTOR;
}

void gpt_job_start(struct job *j, const struct view *v, enum job_state after)
{
	(void)j;
	(void)v;
	(void)after;
	fail();
}

static int make_container(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct luks2_opts opts = {
		.secret = (const uint8_t *)old_code,
		.secret_len = strlen(old_code),
		.iterations = 1000,
		.recovery = (const uint8_t *)recovery,
		.recovery_len = strlen(recovery),
		.label = "work",
	};
	struct image *plain CLEANUP(image_freep) = NULL, *img CLEANUP(image_freep) = NULL;
	plain = image_mem(calloc(1, WORK_LEN - MVP_LUKS2_DATA_OFFSET), WORK_LEN - MVP_LUKS2_DATA_OFFSET);
	assert_int_equal(luks2_wrap(plain, &opts, &img, d), 0);
	assert_int_equal(image_read(img, 0, container, sizeof(container), d), 0);
	disk_reset();
	host_config.personas = 2;
	host_config.persona[1] = (struct mvp_vault_persona){ .name = "work", .encrypted = 1 };
	random_seed((const uint8_t[RANDOM_SEED_LEN]){ 1, 2, 3 });
	return 0;
}

static void fresh(void)
{
	memset(disk_durable, 0, DISK_LEN);
	memcpy(disk_durable + WORK_AT * SECTOR, container, sizeof(container));
	identity = IDENTITY_NONE;
	has_device_key = false;
	memset(device_key, 0, sizeof(device_key));
}

static void run(void)
{
	for (unsigned i = 0; i < 2000 && !power.off; i++) {
		bool busy = opener.state != JOB_IDLE || personas[1].job.state != JOB_IDLE || wiper.state != JOB_IDLE;
		if (!busy)
			return;
		turn_once();
	}
}

static void begin_start(void)
{
	memcpy(disk_now, disk_durable, DISK_LEN);
	memset(personas, 0, sizeof(personas));
	memset(under_way, 0, sizeof(under_way));
	memset(&opener, 0, sizeof(opener));
	memset(&wiper, 0, sizeof(wiper));
	memset(&w, 0, sizeof(w));
	memset(&rekey, 0, sizeof(rekey));
	memset(&power, 0, sizeof(power));
	power.left = UINT64_MAX;
	said[0] = 0;
	state_open(NULL, true);
	for (unsigned p = 0; p < 2; p++) {
		personas[p].config = &host_config.persona[p];
		personas[p].job.persona = p;
	}
	personas[1].partition = (struct view){ .sector = WORK_AT, .sectors = WORK_LEN / SECTOR };
	personas[1].state = PERSONA_WAITING;
	opener.persona = MVP_MAX_PERSONAS;
	opener.state = open_containers(&opener);
}

static void start(void)
{
	begin_start();
	run();
	assert_int_equal(personas[1].state, PERSONA_LOCKED);
}

static bool tries(const char *code, const char *next)
{
	outcome = NOT_TRIED;
	unlock_start(&personas[1].job,
		     &(struct passcodes){ .passcode = (const uint8_t *)code,
					  .passcode_len = strlen(code),
					  .next = (const uint8_t *)next,
					  .next_len = next ? strlen(next) : 0 },
		     state_commit());
	run();
	return outcome == RIGHT;
}

/* What another LUKS2 implementation makes of it. */
static bool cryptsetup_opens(const char *secret)
{
	char path[] = "/tmp/mvp-rekey-XXXXXX", command[300];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, disk_durable + WORK_AT * SECTOR, WORK_LEN), WORK_LEN);
	close(fd);
	(void)snprintf(command, sizeof(command),
		       "printf %%s '%s' | cryptsetup open --test-passphrase --disable-locks --key-file - '%s' 2>/dev/null", secret, path);
	int rc = system(command);
	assert_int_equal(unlink(path), 0);
	return WIFEXITED(rc) && WEXITSTATUS(rc) == 0;
}

static void test_only_the_right_passcode_opens(void **state)
{
	(void)state;
	fresh();
	start();
	assert_false(tries("Old code", NULL));
	assert_int_equal(outcome, WRONG);
	assert_true(tries(old_code, NULL));
	assert_int_equal(power.writes, 0);
}

static void test_change_takes(void **state)
{
	(void)state;
	fresh();
	start();
	assert_false(tries(new_code, third_code));
	assert_int_equal(power.writes, 0);
	assert_true(tries(old_code, new_code));
	assert_non_null(strstr(said, "work: passcode changed"));
	assert_int_equal(power.writes, WRITES);
	/* At once, and after the next start. */
	assert_false(tries(old_code, NULL));
	assert_true(tries(new_code, NULL));
	start();
	assert_int_equal(personas[1].luks.seqid, 2);
	assert_false(tries(old_code, NULL));
	assert_true(tries(new_code, NULL));
	assert_true(cryptsetup_opens(new_code));
	assert_false(cryptsetup_opens(old_code));
	/* The other slot is for other tools alone, and stays as it was. */
	assert_false(tries(recovery, NULL));
	assert_true(cryptsetup_opens(recovery));
	/* The old key material is gone. */
	assert_true(memcmp(disk_durable + WORK_AT * SECTOR + MVP_LUKS2_SLOT_AREA_AT, container + MVP_LUKS2_SLOT_AREA_AT, 256) != 0);
	/* And again, into the area that came free. */
	assert_true(tries(new_code, third_code));
	start();
	assert_int_equal(personas[1].luks.seqid, 3);
	assert_true(tries(third_code, NULL));
	assert_true(cryptsetup_opens(third_code));
}

/* After a cut there is one passcode, never none. */
static void check_one_opens(const char *before, const char *after)
{
	start();
	bool new_one = tries(after, NULL);
	start();
	bool old_one = tries(before, NULL);
	assert_true(new_one != old_one);
}

static void test_cut_at_every_write(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < OPERATIONS; cut++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			fresh();
			start();
			power.left = cut;
			power.torn = kind % 2 ? 5 : 0;
			power.keeps = kind >= 2;
			(void)tries(old_code, new_code);
			assert_true(power.off);
			check_one_opens(old_code, new_code);
		}
	}
}

/* Anywhere, with any sectors of what was not flushed. MVP_CUTS=N: so many. */
static void test_random_cuts(void **state)
{
	(void)state;
	const char *many = getenv("MVP_CUTS");
	unsigned long count = many ? strtoul(many, NULL, 10) : 40;
	for (unsigned long i = 1; i <= count; i++) {
		fresh();
		start();
		power_chance = i * 0x9e3779b97f4a7c15;
		power.left = power_draw(OPERATIONS);
		(void)tries(old_code, new_code);
		assert_true(power.off);
		power_chance = 0;
		check_one_opens(old_code, new_code);
	}
}

/* The first change is cut off between its two headers, the second one anywhere: the header that is out of date names an area that the
 * second change writes over. */
static void test_cut_twice(void **state)
{
	(void)state;
	for (unsigned cut = 0; cut < OPERATIONS; cut++) {
		fresh();
		start();
		power.left = FIRST_COPY_END;
		(void)tries(old_code, new_code);
		start();
		assert_int_equal(personas[1].luks.seqid, 2);
		assert_int_equal(personas[1].luks.copy_at, MVP_LUKS2_HDR_SIZE);
		power.left = cut;
		power.torn = cut % 2 ? 3 : 0;
		(void)tries(new_code, third_code);
		assert_true(power.off);
		check_one_opens(new_code, third_code);
	}
}

static void test_disk_that_refuses_leaves_the_old(void **state)
{
	(void)state;
	fresh();
	start();
	power.refuses = true;
	assert_true(tries(old_code, new_code));
	assert_non_null(strstr(said, "passcode not changed: the disk does not take it"));
	start();
	assert_true(tries(old_code, NULL));
}

static void test_first_unlock_binds_to_the_device(void **state)
{
	(void)state;
	char secret[65] = "";
	uint8_t key[32], mac[32], text[36 + sizeof(old_code)];
	fresh();
	start();
	identity = IDENTITY_SOUND;
	has_device_key = true;
	memset(device_key, 0x5a, sizeof(device_key));
	assert_true(tries(old_code, NULL));
	assert_non_null(strstr(said, "work: bound to this device"));
	assert_int_equal(power.writes, WRITES);
	assert_true(tries(old_code, NULL));
	assert_int_equal(power.writes, WRITES); /* once */
	start();
	assert_true(personas[1].luks.slot[0].bound);
	assert_true(tries(old_code, NULL));
	/* The secret as mvp/identity.h says, by OpenSSL. */
	assert_non_null(HMAC(EVP_sha256(), device_key, 32, (const uint8_t *)MVP_LABEL_PASSCODE, strlen(MVP_LABEL_PASSCODE), key, NULL));
	memcpy(text, container + 168, 36);
	memcpy(text + 36, old_code, strlen(old_code));
	assert_non_null(HMAC(EVP_sha256(), key, 32, text, 36 + strlen(old_code), mac, NULL));
	for (int i = 0; i < 32; i++)
		(void)snprintf(secret + 2 * i, 3, "%02x", mac[i]);
	assert_true(cryptsetup_opens(secret));
	assert_false(cryptsetup_opens(old_code));
	/* Changed, it stays bound; another device does not open it. */
	assert_true(tries(old_code, new_code));
	start();
	assert_true(personas[1].luks.slot[0].bound);
	assert_true(tries(new_code, NULL));
	device_key[0] ^= 1;
	assert_false(tries(new_code, NULL));
	assert_false(tries(secret, NULL));
}

/* Whatever the change was about to write: nothing comes after the keys' end. */
static void test_wipe_ends_a_change(void **state)
{
	(void)state;
	for (unsigned turns = 1; turns < 40; turns++) {
		fresh();
		start();
		power.discards = true;
		outcome = NOT_TRIED;
		unlock_start(
			&personas[1].job,
			&(struct passcodes){ (const uint8_t *)old_code, (const uint8_t *)new_code, strlen(old_code), strlen(new_code) },
			state_commit());
		for (unsigned i = 0; i < turns; i++)
			turn_once();
		wipe_start(MVP_CAUSE_PASSCODES);
		for (unsigned i = 0; i < 600; i++)
			turn_once();
		for (size_t i = 0; i < MVP_LUKS2_DATA_OFFSET; i++)
			assert_int_equal(disk_now[WORK_AT * SECTOR + i], 0);
	}
}

static void finish_io(struct io *io)
{
	for (unsigned i = 0; i < ARRAY_LEN(under_way); i++) {
		if (under_way[i].io != io)
			continue;
		under_way[i].io = NULL;
		transfer_io(io);
		disk_io_done(DISK_CLIENT_VAULT, io);
	}
}

/* The passcode turns out to be right while the keys are being overwritten, and the header that a change begins with is read before that
 * write gets to it: no change begins any more. */
static void test_no_change_begins_in_a_wipe(void **state)
{
	(void)state;
	struct job *j = &personas[1].job;
	fresh();
	start();
	power.discards = true;
	unlock_start(j, &(struct passcodes){ (const uint8_t *)old_code, (const uint8_t *)new_code, strlen(old_code), strlen(new_code) },
		     state_commit());
	for (unsigned i = 0; i < 100 && j->state != JOB_DIGEST; i++) {
		(void)state_poll();
		(void)job_step(j, true);
		finish_io(&j->io);
	}
	assert_int_equal(j->state, JOB_DIGEST);
	wipe_start(MVP_CAUSE_PASSCODES);
	for (unsigned i = 0; i < 100 && wiper.state != JOB_WIPE_KEYS; i++) {
		(void)state_poll();
		finish_io(&journal.job.io);
		(void)wipe_step(false);
	}
	assert_int_equal(wiper.state, JOB_WIPE_KEYS);
	(void)job_step(j, true);
	finish_io(&j->io);
	for (unsigned i = 0; i < 600; i++)
		turn_once();
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	for (size_t i = 0; i < MVP_LUKS2_DATA_OFFSET; i++)
		assert_int_equal(disk_now[WORK_AT * SECTOR + i], 0);
}

/* What is decided while the containers are looked for stays: nobody is asked for the passcode of one that is being wiped. */
static void test_opening_does_not_end_a_wipe(void **state)
{
	(void)state;
	static const enum persona_state decided[] = { PERSONA_WIPING, PERSONA_BARRED };
	for (size_t i = 0; i < ARRAY_LEN(decided); i++) {
		fresh();
		begin_start();
		personas[1].state = decided[i];
		run();
		assert_int_equal(personas[1].state, decided[i]);
		assert_int_equal(personas[1].luks.slots_count, 1);
	}
}

/* Metadata */

static char text[MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE], out[sizeof(text)];
static struct luks2_copy copy_0;
static struct luks2 luks_0;

static const char *parse_text(void)
{
	uint8_t bin[MVP_LUKS2_BIN_SIZE];
	memcpy(bin, container, sizeof(bin));
	assert_true(luks2_check_binary(bin, 0, &copy_0));
	return luks2_parse(&tokens, text, sizeof(text), &copy_0, WORK_LEN, &luks_0);
}

static void replace(const char *from, const char *to)
{
	char *at = strstr(text, from);
	assert_non_null(at);
	memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	memcpy(at, to, strlen(to));
}

static void reset_text(void)
{
	memcpy(text, container + MVP_LUKS2_BIN_SIZE, sizeof(text));
}

static void test_tokens_say_which_slots_count(void **state)
{
	(void)state;
	reset_text();
	assert_null(parse_text());
	assert_int_equal(luks_0.slots_count, 1);
	assert_true(luks_0.slot[0].passcode);
	assert_false(luks_0.slot[0].bound);
	replace("\"binding\":\"none\"", "\"binding\":\"device\"");
	assert_null(parse_text());
	assert_true(luks_0.slot[0].bound);
	replace("\"binding\":\"device\"", "\"binding\":\"nobody\"");
	assert_non_null(parse_text());
	reset_text();
	/* The slot that opens is another one's: none is left. */
	replace("\"mvp-passcode\",\"keyslots\":[\"0\"]", "\"mvp-passcode\",\"keyslots\":[\"5\"]");
	assert_string_equal(parse_text(), "the container has no key slot that a passcode can open here");
	reset_text();
	replace("\"mvp-passcode\",\"keyslots\":[\"0\"]", "\"mvp-passcode\",\"keyslots\":[\"0\",\"0\"]");
	assert_non_null(parse_text());
}

static void test_edit_keeps_what_it_does_not_know(void **state)
{
	(void)state;
	struct luks2_change c = { .slot = 0, .area_at = 123456789, .salt = { 9 }, .bound = true };
	reset_text();
	replace("\"tokens\":{", "\"tokens\":{\"7\":{\"type\":\"x\",\"keyslots\":[],\"binding\":\"none\", \"y\" : [1, {\"salt\":\"z\"}]},");
	assert_null(luks2_edit(&tokens, text, strlen(text), &c, out, sizeof(out)));
	assert_non_null(strstr(out, "\"7\":{\"type\":\"x\",\"keyslots\":[],\"binding\":\"none\", \"y\" : [1, {\"salt\":\"z\"}]}"));
	assert_non_null(strstr(out, "\"offset\":\"123456789\""));
	assert_non_null(strstr(out, "\"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""));
	assert_non_null(strstr(out, "\"binding\":\"device\""));
	/* No room for one more byte. */
	size_t len = strlen(out);
	assert_null(luks2_edit(&tokens, text, strlen(text), &c, out, len + 1));
	assert_non_null(luks2_edit(&tokens, text, strlen(text), &c, out, len));
	c.slot = 5;
	assert_non_null(luks2_edit(&tokens, text, strlen(text), &c, out, sizeof(out)));
}

static void test_free_area_is_nobodys(void **state)
{
	(void)state;
	uint64_t at;
	reset_text();
	assert_null(parse_text());
	assert_true(luks2_free_area(&tokens, text, strlen(text), &copy_0, &luks_0, &at));
	assert_int_equal(at, MVP_LUKS2_SLOT_AREA_AT + 2 * MVP_LUKS2_SLOT_AREA_LEN);
	/* One of a kind that we cannot open has its place, too, wherever that begins. */
	replace("\"keyslots\":{", "\"keyslots\":{\"9\":{\"type\":\"other\",\"area\":{\"offset\":\"548865\",\"size\":\"300000\"}},");
	assert_true(luks2_free_area(&tokens, text, strlen(text), &copy_0, &luks_0, &at));
	assert_int_equal(at, MVP_LUKS2_SLOT_AREA_AT + 4 * MVP_LUKS2_SLOT_AREA_LEN);
	replace("\"300000\"", "\"18446744073709551615\"");
	assert_false(luks2_free_area(&tokens, text, strlen(text), &copy_0, &luks_0, &at));
	replace("\"size\":\"18446744073709551615\"", "\"size\":7");
	assert_false(luks2_free_area(&tokens, text, strlen(text), &copy_0, &luks_0, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_right_passcode_opens),
		cmocka_unit_test(test_change_takes),
		cmocka_unit_test(test_cut_at_every_write),
		cmocka_unit_test(test_random_cuts),
		cmocka_unit_test(test_cut_twice),
		cmocka_unit_test(test_disk_that_refuses_leaves_the_old),
		cmocka_unit_test(test_first_unlock_binds_to_the_device),
		cmocka_unit_test(test_wipe_ends_a_change),
		cmocka_unit_test(test_no_change_begins_in_a_wipe),
		cmocka_unit_test(test_opening_does_not_end_a_wipe),
		cmocka_unit_test(test_tokens_say_which_slots_count),
		cmocka_unit_test(test_edit_keeps_what_it_does_not_know),
		cmocka_unit_test(test_free_area_is_nobodys),
	};
	return cmocka_run_group_tests_name("vault_rekey", tests, make_container, NULL);
}
