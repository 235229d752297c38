#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSFER_S 60

static _Noreturn void child_http(const struct http_request *r, int out)
{
	static struct http_answer answer;
	char head[HTTP_ETAG_MAX + 32];
	const char *wrong = http_do(r, &answer);
	if (wrong) {
		(void)dprintf(out, "!%s\n", wrong);
		_exit(1);
	}
	if (!agent_format(head, sizeof(head), "%u\n%s\n", answer.status, answer.etag) ||
	    write(out, head, strlen(head)) != (ssize_t)strlen(head))
		_exit(1);
	for (size_t done = 0; done < answer.body_len;) {
		ssize_t n = write(out, answer.body + done, answer.body_len - done);
		if (n < 0)
			_exit(1);
		done += (size_t)n;
	}
	_exit(0);
}

static _Noreturn void child_https(const struct http_request *r, const struct fetch_tls *tls, int out)
{
	int in[2];
	char program[512], method[8], url[1024], etag[HTTP_ETAG_MAX + 1], file[512];
	if (!agent_format(program, sizeof(program), "%s", tls->program) || !agent_format(method, sizeof(method), "%s", r->method) ||
	    !agent_format(url, sizeof(url), "%s", r->url) ||
	    !agent_format(etag, sizeof(etag), "%s", r->if_none_match ? r->if_none_match : "") ||
	    !agent_format(file, sizeof(file), "%s", tls->ca))
		_exit(1);
	/* A pipe takes it whole: it is at most AGENT_ORDER_MAX bytes, and PIPE_BUF is more. */
	if (pipe2(in, O_CLOEXEC) != 0 || (r->body_len && write(in[1], r->body, r->body_len) != (ssize_t)r->body_len))
		_exit(1);
	close(in[1]);
	if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(1);
	char *const argv[] = { program, method, url, etag, file, NULL };
	(void)execv(program, argv);
	(void)dprintf(out, "!%s: %s\n", program, strerror(errno));
	_exit(1);
}

bool fetch_start(struct fetch *f, const struct http_request *r, const struct fetch_tls *tls)
{
	struct http_url url;
	int pipes[2];
	if (!http_url(r->url, &url)) {
		agent_log("the address '%s' is wrong", r->url);
		return false;
	}
	if (r->body_len > AGENT_ORDER_MAX || pipe2(pipes, O_CLOEXEC) != 0) {
		agent_log("cannot start a transfer");
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigset_t none;
		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)signal(SIGPIPE, SIG_DFL);
		(void)alarm(TRANSFER_S); /* its default is the end; execve keeps it */
		if (url.tls)
			child_https(r, tls, pipes[1]);
		child_http(r, pipes[1]);
	}
	close(pipes[1]);
	if (pid < 0) {
		agent_log("cannot start a transfer: %s", strerror(errno));
		close(pipes[0]);
		return false;
	}
	f->fd = pipes[0];
	f->pid = pid;
	f->len = 0;
	return true;
}

void fetch_stop(struct fetch *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	(void)kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int result(const struct fetch *f, struct http_answer *ret)
{
	const char *text = (const char *)f->data, *line = f->len ? memchr(text, '\n', f->len) : NULL;
	if (!line) {
		agent_log("the server did not answer in time");
		return -1;
	}
	char status[4];
	size_t n = (size_t)(line - text);
	if (text[0] == '!') {
		agent_log("%.*s", (int)n - 1, text + 1);
		return -1;
	}
	uint64_t value;
	const char *etag = line + 1, *body = memchr(etag, '\n', f->len - n - 1);
	if (n >= sizeof(status) || !body || (size_t)(body - etag) > HTTP_ETAG_MAX)
		return -1;
	memcpy(status, text, n);
	status[n] = 0;
	if (!agent_number(status, 599, &value) || value < 100)
		return -1;
	ret->status = (unsigned)value;
	memcpy(ret->etag, etag, (size_t)(body - etag));
	ret->etag[body - etag] = 0;
	body++;
	ret->body_len = f->len - (size_t)(body - text);
	if (ret->body_len > HTTP_BODY_MAX)
		return -1;
	memcpy(ret->body, body, ret->body_len);
	return 1;
}

int fetch_read(struct fetch *f, struct http_answer *ret)
{
	ssize_t n = read(f->fd, f->data + f->len, sizeof(f->data) - f->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n > 0) {
		f->len += (size_t)n;
		if (f->len < sizeof(f->data))
			return 0;
	}
	int status = 0;
	close(f->fd);
	f->fd = -1;
	if (n != 0)
		(void)kill(f->pid, SIGKILL);
	while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR)
		;
	int r = result(f, ret);
	return r > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ? -1 : r;
}
