/* mvp-https METHOD URL ETAG CA: one HTTPS request for mvp-agent; its fetch.h says what comes back. ETAG and CA may be empty; the body of a
 * PUT comes on standard input. A program of its own, as it needs the persona's libcurl and C library, which the agent does without; the
 * library is loaded when it runs, so that a persona without one has everything else. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BODY_MAX 0x10000u /* as the agent's HTTP_BODY_MAX */
#define ETAG_MAX 200u
#define UPLOAD_MAX 3000u
#define CONNECT_S 20L
#define TRANSFER_S 55L /* the agent's alarm ends it after a minute, and says less */

/* The part of libcurl's stable ABI (soname 4; numbers as in its curl.h) that is used. */
enum {
	OPT_URL = 10002,
	OPT_ERRORBUFFER = 10010,
	OPT_WRITEFUNCTION = 20011,
	OPT_READFUNCTION = 20012,
	OPT_TIMEOUT = 13,
	OPT_USERAGENT = 10018,
	OPT_HTTPHEADER = 10023,
	OPT_SSLVERSION = 32,
	OPT_UPLOAD = 46,
	OPT_CAINFO = 10065,
	OPT_CONNECTTIMEOUT = 78,
	OPT_HEADERFUNCTION = 20079,
	OPT_NOSIGNAL = 99,
	OPT_INFILESIZE_LARGE = 30115,
	OPT_PROTOCOLS = 181,
	INFO_RESPONSE_CODE = 0x200002,
	GLOBAL_DEFAULT = 3,
	PROTO_HTTPS = 2,
	SSLVERSION_TLS12 = 6,
	ERROR_LEN = 256,
};

static struct {
	int (*global_init)(long flags);
	void *(*easy_init)(void);
	int (*easy_setopt)(void *handle, int option, ...);
	int (*easy_perform)(void *handle);
	int (*easy_getinfo)(void *handle, int info, ...);
	const char *(*easy_strerror)(int code);
	void *(*slist_append)(void *list, const char *text);
} curl;

/* One for each TLS library that Debian builds it with. */
static const char *const libraries[] = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4" };
static const struct {
	const char *name;
	void *place;
} symbols[] = {
	{ "curl_global_init", &curl.global_init },   { "curl_easy_init", &curl.easy_init },
	{ "curl_easy_setopt", &curl.easy_setopt },   { "curl_easy_perform", &curl.easy_perform },
	{ "curl_easy_getinfo", &curl.easy_getinfo }, { "curl_easy_strerror", &curl.easy_strerror },
	{ "curl_slist_append", &curl.slist_append },
};

static char etag[ETAG_MAX + 1];
static uint8_t body[BODY_MAX], upload[UPLOAD_MAX];
static size_t body_len, upload_len, upload_at;
static bool too_long;

/* The agent shows the line as it is. */
static _Noreturn void fail(const char *what)
{
	char line[ERROR_LEN + 2];
	int n = snprintf(line, sizeof(line) - 1, "!%s", what);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] >= 0x7f)
			line[i] = ' ';
	}
	line[len++] = '\n';
	_exit(write(STDOUT_FILENO, line, len) == (ssize_t)len ? 1 : 2);
}

static void load(void)
{
	void *library = NULL;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]) && !library; i++)
		library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		fail("https:// needs libcurl, which this system does not have");
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *address = dlsym(library, symbols[i].name);
		if (!address)
			fail("the libcurl of this system is not as expected");
		memcpy(symbols[i].place, &address, sizeof(address));
	}
}

/* An answer of several heads (100, or through a proxy): the last counts. */
static size_t on_header(const char *data, size_t size, size_t count, void *context)
{
	static const char name[] = "etag:";
	size_t len = size * count;
	(void)context;
	if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
		etag[0] = 0;
	if (len <= sizeof(name) - 1 || strncasecmp(data, name, sizeof(name) - 1) != 0)
		return len;
	const char *from = data + sizeof(name) - 1, *end = data + len;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	size_t n = (size_t)(end - from);
	bool sound = n <= ETAG_MAX;
	for (size_t i = 0; sound && i < n; i++)
		sound = from[i] >= ' ' && from[i] < 0x7f;
	if (!sound)
		n = 0; /* one that is not kept: the next request goes without */
	memcpy(etag, from, n);
	etag[n] = 0;
	return len;
}

static size_t on_body(const char *data, size_t size, size_t count, void *context)
{
	size_t len = size * count;
	(void)context;
	if (len > sizeof(body) - body_len) {
		too_long = true;
		return 0;
	}
	memcpy(body + body_len, data, len);
	body_len += len;
	return len;
}

static size_t give_upload(char *ret, size_t size, size_t count, void *context)
{
	size_t room = size * count, n = upload_len - upload_at < room ? upload_len - upload_at : room;
	(void)context;
	memcpy(ret, upload + upload_at, n);
	upload_at += n;
	return n;
}

static void read_upload(void)
{
	ssize_t n;
	while ((n = read(STDIN_FILENO, upload + upload_len, sizeof(upload) - upload_len)) > 0) {
		upload_len += (size_t)n;
		if (upload_len == sizeof(upload))
			break;
	}
	if (n < 0)
		fail("the request's body cannot be read");
}

static void set_up(void *handle, char **argv, char *error)
{
	char match[ETAG_MAX + 32];
	bool put = strcmp(argv[1], "PUT") == 0;
	void *headers = curl.slist_append(NULL, put ? "Content-Type: application/cose" : "Accept: */*");
	if (argv[3][0]) {
		int n = snprintf(match, sizeof(match), "If-None-Match: %s", argv[3]);
		if (n < 0 || (size_t)n >= sizeof(match))
			fail("the ETag is too long");
		headers = curl.slist_append(headers, match);
	}
	if (put) /* the body is short: it need not wait for leave */
		headers = curl.slist_append(headers, "Expect:");
	int wrong = curl.easy_setopt(handle, OPT_ERRORBUFFER, error) | curl.easy_setopt(handle, OPT_URL, argv[2]) |
		    curl.easy_setopt(handle, OPT_PROTOCOLS, (long)PROTO_HTTPS) | curl.easy_setopt(handle, OPT_NOSIGNAL, 1L) |
		    curl.easy_setopt(handle, OPT_SSLVERSION, (long)SSLVERSION_TLS12) |
		    curl.easy_setopt(handle, OPT_CONNECTTIMEOUT, CONNECT_S) | curl.easy_setopt(handle, OPT_TIMEOUT, TRANSFER_S) |
		    curl.easy_setopt(handle, OPT_USERAGENT, "mvp-agent") | curl.easy_setopt(handle, OPT_HTTPHEADER, headers) |
		    curl.easy_setopt(handle, OPT_HEADERFUNCTION, on_header) | curl.easy_setopt(handle, OPT_WRITEFUNCTION, on_body);
	if (argv[4][0])
		wrong |= curl.easy_setopt(handle, OPT_CAINFO, argv[4]);
	if (put)
		wrong |= curl.easy_setopt(handle, OPT_UPLOAD, 1L) | curl.easy_setopt(handle, OPT_READFUNCTION, give_upload) |
			 curl.easy_setopt(handle, OPT_INFILESIZE_LARGE, (int64_t)upload_len);
	if (wrong || !headers)
		fail("libcurl refuses what is asked of it");
}

int main(int argc, char **argv)
{
	char error[ERROR_LEN] = "";
	long status = 0;
	if (argc != 5 || (strcmp(argv[1], "GET") != 0 && strcmp(argv[1], "PUT") != 0)) {
		(void)fputs("usage: mvp-https GET|PUT URL ETAG CA; see mvp-agent(8)\n", stderr);
		return 2;
	}
	load();
	read_upload();
	void *handle = curl.global_init(GLOBAL_DEFAULT) ? NULL : curl.easy_init();
	if (!handle)
		fail("libcurl does not start");
	set_up(handle, argv, error);
	int code = curl.easy_perform(handle);
	if (too_long)
		fail("the answer is too long");
	if (code)
		fail(error[0] ? error : curl.easy_strerror(code));
	if (curl.easy_getinfo(handle, INFO_RESPONSE_CODE, &status) || status < 100 || status > 599)
		fail("the answer has no status");
	if (printf("%ld\n%s\n", status, etag) < 0 || fwrite(body, 1, body_len, stdout) != body_len || fflush(stdout) != 0)
		return 1;
	return 0;
}
