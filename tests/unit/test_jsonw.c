#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/jsonw.h"

/* What we write is read by somebody else's parser. */
static json_t *document(bool pretty)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct jsonw j = JSONW_INIT(&b, pretty);
	jsonw_document(&j, "mvp.test", 3);
	jsonw_string(&j, "text", "a \"quoted\" \\ line\n\ttab \x01\x7f \xc3\xa4 \xff\xc0\x80 end");
	jsonw_string(&j, "nothing", NULL);
	jsonw_format(&j, "code", "MVP%04u", 7u);
	jsonw_uint(&j, "big", INT64_MAX);
	jsonw_int(&j, "small", INT64_MIN);
	jsonw_bool(&j, "yes", true);
	jsonw_hex(&j, "hex", (const uint8_t *)"\x00\xff", 2);
	jsonw_array(&j, "list");
	jsonw_uint(&j, NULL, 1);
	jsonw_object(&j, NULL);
	jsonw_end(&j);
	jsonw_array(&j, NULL);
	jsonw_end(&j);
	jsonw_end(&j);
	jsonw_end(&j);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.data[b.len - 1], '\n');
	if (!pretty)
		assert_ptr_equal(memchr(b.data, '\n', b.len), b.data + b.len - 1);
	json_error_t error;
	json_t *root = json_loads(buf_str(&b), JSON_REJECT_DUPLICATES, &error);
	assert_non_null(root);
	return root;
}

static void test_output_parses_and_holds_what_was_put_in(void **state)
{
	(void)state;
	for (int pretty = 0; pretty < 2; pretty++) {
		json_t *root = document(pretty);
		assert_string_equal(json_string_value(json_object_get(root, "schema")), "mvp.test");
		assert_int_equal(json_integer_value(json_object_get(root, "version")), 3);
		assert_string_equal(json_string_value(json_object_get(root, "text")),
				    "a \"quoted\" \\ line\n\ttab \x01\x7f \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end");
		assert_true(json_is_null(json_object_get(root, "nothing")));
		assert_string_equal(json_string_value(json_object_get(root, "code")), "MVP0007");
		assert_true(json_integer_value(json_object_get(root, "big")) == INT64_MAX);
		assert_true(json_integer_value(json_object_get(root, "small")) == INT64_MIN);
		assert_true(json_is_true(json_object_get(root, "yes")));
		assert_string_equal(json_string_value(json_object_get(root, "hex")), "00ff");
		assert_int_equal(json_array_size(json_object_get(root, "list")), 3);
		json_decref(root);
	}
}

static void test_ceiling_of_the_buffer_is_noticed(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_MAX(16);
	struct jsonw j = JSONW_INIT(&b, false);
	jsonw_document(&j, "mvp.far-too-long-for-this-buffer", 1);
	jsonw_end(&j);
	assert_int_not_equal(buf_error(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_parses_and_holds_what_was_put_in),
		cmocka_unit_test(test_ceiling_of_the_buffer_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
