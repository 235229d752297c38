/* What inspect says of vbmeta images: their properties, whatever is in them. */
#include "tests/unit/formats.h"

#include <stdlib.h>

#include "imagegen/avb/avb.h"
#include "imagegen/inspect/inspect.h"

static struct image *vbmeta(const struct avb *a)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const struct avb_opts o = { .name = "vbmeta" };
	uint8_t *bytes;
	size_t len;
	assert_int_equal(avb_emit(a, &o, &bytes, &len, d), 0);
	return image_mem(bytes, len);
}

static void test_properties_are_shown(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	struct inspect i CLEANUP(inspect_fini) = { 0 };
	avb_add_property(&a, "mvp.hypervisor.measurement", "0123", 4);
	avb_add_property(&a, "empty", "", 0);
	avb_add_property(&a, "line\nbreak", "\x1b[2Jx\xff", 6);
	struct image *img CLEANUP(image_freep) = vbmeta(&a);
	assert_int_equal(inspect_image(img, "vbmeta", &i, d), 0);
	assert_int_equal(i.kind, INSPECT_VBMETA);
	assert_int_equal(i.properties_count, 3);
	assert_string_equal(i.properties[0].key, "mvp.hypervisor.measurement");
	assert_string_equal(i.properties[0].value, "0123");
	assert_string_equal(i.properties[1].value, "");
	/* A terminal gets nothing to act on. */
	assert_string_equal(i.properties[2].key, "line?break");
	assert_string_equal(i.properties[2].value, "?[2Jx?");
}

static void test_a_value_longer_than_its_descriptor_is_left_out(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	avb_add_property(&a, "key", "value", 5);
	struct image *sound CLEANUP(image_freep) = vbmeta(&a);
	uint8_t *bytes = whole(sound);
	struct avb_info info;
	assert_int_equal(avb_read(bytes, image_len(sound), "vbmeta", &info, d), 0);
	bytes[info.descriptors_at + 31] = 200; /* the last byte of the value's length */
	struct image *img CLEANUP(image_freep) = image_mem(bytes, image_len(sound));
	struct inspect i CLEANUP(inspect_fini) = { 0 };
	assert_int_equal(inspect_image(img, "vbmeta", &i, d), 0);
	assert_int_equal(i.properties_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_properties_are_shown),
		cmocka_unit_test(test_a_value_longer_than_its_descriptor_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
