#include <openssl/err.h>

#include "imagegen/sign/sign_int.h"

const char *sign_reason(char buf[256])
{
	unsigned long code = ERR_peek_last_error();
	ERR_error_string_n(code, buf, 256);
	const char *reason = ERR_reason_error_string(code);
	ERR_clear_error();
	return reason ? reason : code ? buf : "no reason given";
}
