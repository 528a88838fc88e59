/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nats: addresses. A program of its own reads the stream, so that this one does not need libnats.
 * It speaks the protocol of a socket sink. */
#include "beside.h"
#include "tail.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READER "hostwatch-nats-tail"
#define DEFAULT_SUBJECT "hostwatch"
#define STATUS_MISSING 127

bool hw_tail_is_nats(const char *text)
{
	return strncmp(text, "nats:", 5) == 0;
}

/* nats:URL[/SUBJECT]; a URL that begins with nats:// needs no second "nats:". */
int hw_tail_parse_nats(struct tail *t, const char *text, const char **ret_error)
{
	const char *url = strncmp(text, "nats://", 7) == 0 ? text : text + 5;
	const char *host = strstr(url, "://"), *slash;

	*ret_error = "expected nats:URL or nats:URL/PREFIX.SHARE, with a URL nats://HOST[:PORT] or "
		     "tls://HOST[:PORT]";
	if (!host || !host[3] || strlen(url) >= sizeof(t->nats.url))
		return -EINVAL;
	slash = strchr(host + 3, '/');
	(void)snprintf(t->nats.url, sizeof(t->nats.url), "%.*s",
		       slash ? (int)(slash - url) : (int)strlen(url), url);
	(void)snprintf(t->nats.subject, sizeof(t->nats.subject), "%s",
		       slash && slash[1] ? slash + 1 : DEFAULT_SUBJECT);
	if (strpbrk(t->nats.subject, " \t/*>"))
		return -EINVAL;
	t->nats.on = true;
	(void)snprintf(t->address.text, sizeof(t->address.text), "%s", text);
	return 0;
}

static _Noreturn void run_reader(struct tail *t, int fd)
{
	char *argv[8];
	int n = 0, error;

	argv[n++] = (char *)(uintptr_t)READER;
	if (t->all)
		argv[n++] = (char *)(uintptr_t) "--all";
	if (t->nats_options) {
		argv[n++] = (char *)(uintptr_t) "--options";
		argv[n++] = (char *)(uintptr_t)t->nats_options;
	}
	argv[n++] = t->nats.url;
	argv[n++] = t->nats.subject;
	argv[n] = NULL;
	if (t->nats.quiet)
		(void)!freopen("/dev/null", "w", stderr); /* the same reason is printed once */
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	error = hw_beside_exec(READER, argv);
	(void)hw_args_failure(&tool_tail_line,
			      error == ENOENT ? "reading from NATS needs %s/" READER
						", which the package hostwatch-nats contains"
					      : "cannot run %s/" READER,
			      hw_beside_dir);
	_exit(STATUS_MISSING);
}

int hw_tail_start_nats(struct tail *t, bool quiet)
{
	int fds[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	t->nats.quiet = quiet;
	t->nats.pid = fork();
	error = errno;
	if (t->nats.pid == 0)
		run_reader(t, fds[1]);
	(void)close(fds[1]); /* the child has its own */
	if (t->nats.pid > 0)
		return fds[0];
	(void)close(fds[0]); /* nothing was sent */
	return -error;
}

int hw_tail_end_nats(struct tail *t, bool ended)
{
	int status = 0;

	if (t->nats.pid <= 0)
		return 0;
	if (!ended)
		(void)kill(t->nats.pid, SIGKILL); /* it keeps nothing */
	(void)waitpid(t->nats.pid, &status, 0); /* it ends */
	t->nats.pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 0)
		return 0;
	return WEXITSTATUS(status) == HW_BESIDE_REFUSED ? TAIL_REFUSED : TAIL_CLOSED;
}
