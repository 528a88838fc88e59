/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "standard.h"

#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit first_limit; /* RLIMIT_NOFILE at the start; zero: it was not changed */
static bool pipes_ignored; /* SIGPIPE was ignored at the start */

/* Directories and subscribers need descriptors. The low soft limit exists for select(2), which is
 * not used. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		first_limit = limit;
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* works with fewer if this fails */
	}
}

void hw_standard_begin(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* Opened for the wrong direction, so that its use fails. open(2) returns the lowest
		 * free number, which is this one. */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
	pipes_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
	allow_descriptors();
	hw_stages_begin();
}

void hw_standard_restore(void)
{
	if (!pipes_ignored)
		(void)signal(SIGPIPE, SIG_DFL);
	if (first_limit.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &first_limit); /* lowering the soft limit works */
}

/* ---- output ---- */

static int output_error; /* errno of the first failure; 0: no known failure */

int hw_standard_flush(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (output_error == 0)
		output_error = errno;
	return output_error ? -output_error : -EIO;
}

/* Whether stdout is a pipe or socket without a reader. */
static bool reader_left(void)
{
	struct pollfd poll_fd = { .fd = STDOUT_FILENO };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLERR | POLLHUP));
}

int hw_standard_end(int status)
{
	if (hw_standard_flush() == 0 || hw_standard_caught() || output_error == EPIPE)
		return status;
	/* printf() may have failed earlier, and its errno is lost. */
	if (output_error == 0 && reader_left())
		return status;
	fprintf(stderr, "%s: standard output: %s\n", program_invocation_short_name,
		output_error ? strerror(output_error) : "write error");
	return status ? status : EXIT_FAILURE;
}

/* ---- signals that end the program ---- */

static atomic_int caught; /* any thread may get the signal */
static int caught_fd = -1; /* an eventfd */
static int null_fd = -1;

/* A blocked write to stdout returns. A later write, which the signal would not interrupt, goes to
 * /dev/null. */
static void on_signal(int number)
{
	const uint64_t one = 1;
	int error = errno;

	(void)number;
	caught = 1;
	(void)dup2(null_fd, STDOUT_FILENO); /* stdout may block */
	if (write(caught_fd, &one, sizeof(one)) < 0)
		(void)0; /* the eventfd is already readable */
	errno = error;
}

int hw_standard_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART */
	struct sigaction old;

	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	caught_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (null_fd < 0 || caught_fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)sigaction(signals[i], &action, &old); /* cannot fail: the signals exist */
		if (signals[i] == SIGHUP && old.sa_handler == SIG_IGN)
			(void)sigaction(SIGHUP, &old, NULL); /* nohup(1) */
	}
	return 0;
}

bool hw_standard_caught(void)
{
	return caught;
}

int hw_standard_caught_fd(void)
{
	return caught_fd;
}
