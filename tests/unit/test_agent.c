/* The parsers of mvp-agent, compiled for the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/guest/agent/config.c"
#include "vmm/guest/agent/http.c"
#include "vmm/guest/agent/sha256.c"
#include "vmm/guest/agent/util.c"

static void test_sha256_is_openssls(void **state)
{
	(void)state;
	static uint8_t data[300];
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		uint8_t own[AGENT_SHA256_LEN], theirs[AGENT_SHA256_LEN];
		agent_sha256(data, len, own);
		assert_int_equal(EVP_Digest(data, len, theirs, NULL, EVP_sha256(), NULL), 1);
		assert_memory_equal(own, theirs, sizeof(own));
	}
}

static void test_base64_there_and_back(void **state)
{
	(void)state;
	uint8_t data[100], back[100];
	char own[160], theirs[160];
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 5);
	for (size_t len = 0; len <= sizeof(data); len++) {
		agent_base64(data, len, own);
		EVP_EncodeBlock((unsigned char *)theirs, data, (int)len);
		assert_string_equal(own, theirs);
		assert_int_equal(agent_unbase64(own, strlen(own), back, len), len);
		assert_memory_equal(back, data, len);
		assert_true(!len || agent_unbase64(own, strlen(own), back, len - 1) == -1);
	}
}

static void test_base64_is_strict(void **state)
{
	(void)state;
	static const char *const bad[] = { "A", "AAA", "AB==", "AAB=", "A===", "====", "AA=A", "A A=", "AA==AAAA", "AA\n=", "AA-_" };
	uint8_t ret[16];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(agent_unbase64(bad[i], strlen(bad[i]), ret, sizeof(ret)), -1);
	assert_int_equal(agent_unbase64("AA==", 4, ret, 1), 1);
}

static void test_numbers(void **state)
{
	(void)state;
	uint64_t v;
	assert_true(agent_number("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX);
	assert_false(agent_number("18446744073709551616", UINT64_MAX, &v));
	assert_false(agent_number("", 9, &v));
	assert_false(agent_number("-1", 9, &v));
	assert_false(agent_number("1 ", 9, &v));
	assert_true(agent_number("9", 9, &v) && v == 9);
	assert_false(agent_number("10", 9, &v));
	assert_false(agent_number("5", 4, &v));
}

static void test_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *text, *host, *port, *path;
		bool tls;
	} good[] = {
		{ "http://10.0.2.2:8000/a/b", "10.0.2.2", "8000", "/a/b", false },
		{ "https://mdm.example", "mdm.example", "443", "", true },
		{ "http://[fe80::1]/x", "fe80::1", "80", "/x", false },
		{ "http://[::1]:81", "::1", "81", "", false },
	};
	static const char *const bad[] = { "",
					   "ftp://a",
					   "http://",
					   "http:///x",
					   "http://a:/x",
					   "http://a:999999/",
					   "http://u@a/",
					   "http://a b/",
					   "http://a/\r\nX: y",
					   "http://[::1",
					   "http://a:1x",
					   "http://a?b" };
	struct http_url u;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(http_url(good[i].text, &u));
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.port, good[i].port);
		assert_string_equal(u.path, good[i].path);
		assert_int_equal(u.tls, good[i].tls);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (http_url(bad[i], &u))
			fail_msg("'%s' was taken", bad[i]);
	}
}

static struct http_answer answer;

static const char *parse(const char *text)
{
	/* A copy of its own, so that a byte read behind it is seen. */
	size_t len = strlen(text);
	uint8_t *data = malloc(len ? len : 1);
	assert_non_null(data);
	memcpy(data, text, len);
	const char *wrong = http_parse(data, len, &answer);
	free(data);
	return wrong;
}

static void test_answers(void **state)
{
	(void)state;
	static const struct {
		const char *text, *etag, *body;
		unsigned status;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", "abc", 200 },
		{ "HTTP/1.1 200 OK\r\ncontent-length:3 \r\nETAG:\t\"x\" \r\n\r\nabcd", "\"x\"", "abc", 200 },
		{ "HTTP/1.0 200\n\nto the end", "", "to the end", 200 },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: W/\"y\"\r\n\r\n", "W/\"y\"", "", 304 },
		{ "HTTP/1.1 204 No\r\n\r\n", "", "", 204 },
		{ "HTTP/1.1 100 Continue\r\nETag: z\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "", "", 201 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "", "abcde", 200 },
	};
	static const char *const bad[] = {
		"",
		"HTTP/1.1 200 OK",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 20x OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(parse(rows[i].text));
		assert_int_equal(answer.status, rows[i].status);
		assert_string_equal(answer.etag, rows[i].etag);
		assert_int_equal(answer.body_len, strlen(rows[i].body));
		assert_memory_equal(answer.body, rows[i].body, answer.body_len);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!parse(bad[i]))
			fail_msg("taken: %s", bad[i]);
	}
}

static void test_options_come_after_the_file(void **state)
{
	(void)state;
	char path[] = "/tmp/test_agent.XXXXXX", option[64];
	static const char text[] = "# comment\n\n  orders=http://a/b//\ninterval=5\r\nca=/etc/ca.pem\n";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
	close(fd);
	(void)snprintf(option, sizeof(option), "--config=%s", path);
	char *args[] = { option, "--interval=7", "status", NULL };
	char *const *rest;
	struct config c;
	assert_true(config_read(&c, args, &rest));
	assert_string_equal(c.orders, "http://a/b");
	assert_string_equal(c.ca, "/etc/ca.pem");
	assert_string_equal(c.state, "/var/lib/mvp");
	assert_int_equal(c.interval_ms, 7000);
	assert_ptr_equal(rest, args + 2);
	static char *const bad[] = { "--interval=0", "--interval=1x", "--interval=100000", "--intervall=1", "--orders" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_read(&c, (char *[]){ option, bad[i], NULL }, &rest));
	unlink(path);
	assert_false(config_read(&c, args, &rest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256_is_openssls),
		cmocka_unit_test(test_base64_there_and_back),
		cmocka_unit_test(test_base64_is_strict),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_options_come_after_the_file),
	};
	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
