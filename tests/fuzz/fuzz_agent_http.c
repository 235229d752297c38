/* What a web server answers mvp-agent, whole or cut anywhere. */
#include "vmm/guest/agent/http.c"
#include "vmm/guest/agent/util.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_answer answer;
	if (!http_parse(data, size, &answer)) {
		if (answer.status < 200 || answer.status > 599 || answer.body_len > HTTP_BODY_MAX || strlen(answer.etag) > HTTP_ETAG_MAX ||
		    strpbrk(answer.etag, "\r\n"))
			__builtin_trap();
	}
	return 0;
}
