/* A persona's keyboard and touch screen: what they are, and how they deal with drivers that are slow, short of buffers or wrong. */
#include "fixture_hand.h"

/* Buffers */

static void test_reports_are_whole_or_not_at_all(void **state)
{
	(void)state;
	unsigned count;
	guest_start(0, KEYS, 8, 3);
	key_event(A, true);
	key_event(S, true);
	key(F12, true); /* four events, three buffers */
	assert_string_equal(heard(0, KEYS), "");
	key_event(A, false);
	key_event(S, false);
	key(F12, false);
	assert_string_equal(heard(0, KEYS), "");
	key(A, true);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "30+ .");
	/* One buffer left: the release has to wait, the next press is lost. */
	key(A, false);
	key(S, true);
	key(A, true);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "");
	guest_offer(0, KEYS, 1);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "30- .");
	guest_offer(0, KEYS, 4);
	key(S, false);
	key(A, false);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "");
	key(S, true);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "31+ .");
	input_focus(1);
	assert_string_equal(heard_but_keep(0, KEYS, &count), "31- .");
	/* The same for a finger; it lands when there is room, for it is still there. */
	input_focus(0);
	guest_start(0, TOUCH, 16, 6);
	tablet(0, TABLET_MAX);
	button(true);
	report(TABLET);
	assert_string_equal(heard_but_keep(0, TOUCH, &count), "");
	guest_offer(0, TOUCH, 4);
	assert_string_equal(heard_but_keep(0, TOUCH, &count), "s0 i1 X0 Y1279 T+ x0 y1279 .");
	button(false);
	input_focus(1);
	assert_string_equal(heard_but_keep(0, TOUCH, &count), "");
	guest_offer(0, TOUCH, 1); /* three: one too few */
	assert_string_equal(heard_but_keep(0, TOUCH, &count), "");
	guest_offer(0, TOUCH, 1);
	assert_string_equal(heard_but_keep(0, TOUCH, &count), "s0 i-1 T- .");
}

static void test_a_short_queue_gets_short_reports(void **state)
{
	(void)state;
	unsigned keys = 0;
	guest_start(0, KEYS, 8, 8);
	for (unsigned code = 1; code <= 30; code++) {
		key_event(code, true);
		if (code % 3 == 0)
			report(KEYBOARD);
		(void)heard(0, KEYS);
	}
	guest_offer(0, KEYS, 0);
	input_focus(1);
	for (unsigned n = 0; n < 10; n++) {
		for (const char *p = heard(0, KEYS); *p;) {
			char *end;
			unsigned long code = strtoul(p, &end, 10);
			if (end != p)
				assert_int_equal(code, ++keys);
			p = strchr(end, ' ') ? strchr(end, ' ') + 1 : "";
		}
	}
	assert_int_equal(keys, 30);
	input_focus(0);
	for (unsigned code = 1; code <= 10; code++)
		key_event(code + 40, true);
	report(KEYBOARD);
	assert_string_equal(heard(0, KEYS), "41+ 42+ 43+ 44+ 45+ 46+ 47+ .");
	guest_start(0, TOUCH, 16, 16);
	for (unsigned i = 0; i < 4; i++)
		finger(i, (int)i, 4000, 4000);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s0 i1 X703 Y1249 s1 i2 X703 Y1249 s2 i3 X703 Y1249 T+ x703 y1249 .");
	assert_string_equal(heard(0, TOUCH), "s3 i4 X703 Y1249 .");
	/* A queue of one event holds no report. */
	guest_start(0, KEYS, 1, 1);
	key(60, true);
	key(60, false);
	input_focus(1);
	assert_string_equal(heard(0, KEYS), "");
}

static void test_a_driver_that_breaks_the_rules_gets_nothing(void **state)
{
	(void)state;
	guest_start(0, KEYS, 64, 1);
	put_desc(area(0, KEYS, 0) + 16 * 1, area_ipa(KEYS, 0) + DATA_AT, 7, 2, 0);
	guest_offer_head(0, KEYS, 1);
	assert_int_equal(guest_read(0, KEYS, 0x70), 15);
	key(A, true);
	assert_int_equal(guest_read(0, KEYS, 0x70), 15 | 0x40);
	assert_string_equal(heard(0, KEYS), "");
	key(A, false);
	key(A, true);
	/* A reset cures it; it starts with nothing pressed. */
	guest_start(0, KEYS, 64, 64);
	key(A, false);
	assert_string_equal(heard(0, KEYS), "");
	key(A, true);
	assert_string_equal(heard(0, KEYS), "30+ .");
	guest_write(0, KEYS, 0x70, 0);
	guest_start(0, KEYS, 64, 64);
	key(A, false);
	input_focus(1);
	assert_string_equal(heard(0, KEYS), "");
	/* A buffer may be in pieces. */
	guest_start(1, KEYS, 64, 1);
	put_desc(area(1, KEYS, 0) + 16 * 1, area_ipa(KEYS, 0) + DATA_AT + 8, 3, 3, 2);
	put_desc(area(1, KEYS, 0) + 16 * 2, area_ipa(KEYS, 0) + DATA_AT + 11, 5, 2, 0);
	guest_offer_head(1, KEYS, 1);
	key(A, true);
	assert_string_equal(heard(1, KEYS), "30+ .");
}

static void test_no_driver_no_events(void **state)
{
	(void)state;
	guest_write(0, KEYS, 0x70, 0);
	key(A, true);
	button(true);
	report(TABLET);
	vinput_unplug(0);
	key(A, false);
	input_focus(1);
	assert_string_equal(heard(1, KEYS), "");
	memset(&keyboards[0], 0, sizeof(keyboards[0])); /* never plugged */
	memset(&touches[0], 0, sizeof(touches[0]));
	vinput_unplug(0);
	input_focus(0);
	key(A, true);
	button(false);
	report(TABLET);
	input_focus(1);
	assert_silence(1);
}

static void test_lights_are_taken(void **state)
{
	(void)state;
	uint8_t *status = area(0, KEYS, QUEUE_OF_STATUS);
	for (uint16_t i = 0; i < 3; i++) {
		put_desc(status + 16 * i, area_ipa(KEYS, QUEUE_OF_STATUS) + DATA_AT, 8, 0, 0);
		memcpy(status + AVAIL_AT + 4 + 2 * i, &i, 2);
	}
	status[AVAIL_AT + 2] = 3;
	guest_write(0, KEYS, 0x50, 1);
	assert_int_equal(get_le16(status + USED_AT + 2), 3);
	assert_int_equal(get_le32(status + USED_AT + 8), 0);
	assert_silence(0);
}

/* Configuration */

static unsigned config(unsigned device, unsigned select, unsigned subsel, uint8_t data[128])
{
	uint32_t base = (MVP_SLOT_KEYS + device) * MVP_GUEST_VIRTIO_STRIDE + 0x100;
	vdev_write(1, base, 1, select);
	vdev_write(1, base + 1, 1, subsel);
	for (unsigned i = 0; i < 128; i++)
		data[i] = (uint8_t)vdev_read(1, base + 8 + i, 1);
	return (unsigned)vdev_read(1, base + 2, 1);
}

static void test_configuration_says_what_the_devices_are(void **state)
{
	(void)state;
	static const struct {
		uint8_t device, select, subsel, size;
		const char *bytes;
	} rows[] = {
		{ KEYS, 0, 0, 0, "" },
		{ KEYS, 1, 0, 12, "MVP keyboard" },
		{ TOUCH, 1, 0, 16, "MVP touch screen" },
		{ KEYS, 1, 1, 0, "" },
		{ KEYS, 2, 0, 0, "" },
		{ KEYS, 3, 0, 8, "\6\0MV\1\0\1\0" },
		{ TOUCH, 3, 0, 8, "\6\0MV\2\0\1\0" },
		{ KEYS, 0x10, 0, 0, "" },
		{ TOUCH, 0x10, 0, 1, "\2" },
		{ KEYS, 0x11, 0, 0, "" },
		{ KEYS, 0x11, 1, 32,
		  "\376\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
		  "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\1" },
		{ KEYS, 0x11, 0x11, 1, "\7" },
		{ KEYS, 0x11, 0x14, 0, "" }, /* no repeats */
		{ KEYS, 0x11, 3, 0, "" },
		{ KEYS, 0x12, 0, 0, "" },
		{ TOUCH, 0x11, 1, 42, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4" },
		{ TOUCH, 0x11, 3, 8, "\3\0\0\0\0\200\140\2" },
		{ TOUCH, 0x11, 0x11, 0, "" },
		{ TOUCH, 0x12, 0, 20, "\0\0\0\0\317\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 1, 20, "\0\0\0\0\377\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 0x2f, 20, "\0\0\0\0\11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 0x35, 20, "\0\0\0\0\317\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 0x36, 20, "\0\0\0\0\377\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 0x39, 20, "\0\0\0\0\377\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
		{ TOUCH, 0x12, 2, 0, "" },
		{ TOUCH, 0xff, 0xff, 0, "" },
	};
	static const uint8_t zeros[128];
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t data[128];
		assert_int_equal(config(rows[i].device, rows[i].select, rows[i].subsel, data), rows[i].size);
		assert_memory_equal(data, rows[i].bytes, rows[i].size);
		assert_memory_equal(data + rows[i].size, zeros, sizeof(data) - rows[i].size);
	}
	/* Wider accesses, and what may not be written. */
	uint32_t base = MVP_SLOT_TOUCH * MVP_GUEST_VIRTIO_STRIDE + 0x100;
	vdev_write(1, base, 4, 0xffff0112);
	assert_int_equal(vdev_read(1, base, 8), 0x140112);
	assert_int_equal(vdev_read(1, base + 12, 4), HEIGHT - 1);
	vdev_write(1, base + 12, 4, 5);
	vdev_write(1, base + 130, 8, 5); /* beyond the end */
	assert_int_equal(vdev_read(1, base + 12, 4), HEIGHT - 1);
	assert_int_equal(vdev_read(1, base + 136, 4), 0);
	assert_int_equal(guest_read(1, KEYS, 8), 18);
	/* Without a display there is neither. */
	memset(vdevs, 0, sizeof(vdevs));
	host_config.display = MVP_DISPLAY_NONE;
	vinput_plug(&(struct guest){ 1, &host_config.persona[1], NULL, &(struct ram){ rams[1], RAM_LEN } });
	assert_int_equal(guest_read(1, KEYS, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reports_are_whole_or_not_at_all, setup),
		cmocka_unit_test_setup(test_a_short_queue_gets_short_reports, setup),
		cmocka_unit_test_setup(test_a_driver_that_breaks_the_rules_gets_nothing, setup),
		cmocka_unit_test_setup(test_no_driver_no_events, setup),
		cmocka_unit_test_setup(test_lights_are_taken, setup),
		cmocka_unit_test_setup(test_configuration_says_what_the_devices_are, setup),
	};
	return cmocka_run_group_tests_name("vault vinput", tests, NULL, NULL);
}
