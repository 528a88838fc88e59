/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include "tests/common/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define CHUNK ((size_t)1 << 16)
#define TEXT_MAX ((size_t)256 << 20) /* more than the output that any test waits for */

static void text_init(struct program_text *text, int fd)
{
	*text = (struct program_text){ .fd = fd, .bytes = calloc(1, CHUNK), .room = CHUNK };
	assert_non_null(text->bytes);
}

static void text_read(struct program_text *text)
{
	ssize_t n;

	if (text->room - text->len < CHUNK) {
		text->room *= 2;
		assert_true(text->room <= TEXT_MAX);
		text->bytes = realloc(text->bytes, text->room);
		assert_non_null(text->bytes);
	}
	n = read(text->fd, text->bytes + text->len, text->room - text->len - 1);
	if (n > 0) {
		text->len += (size_t)n;
		text->bytes[text->len] = '\0';
		return;
	}
	if (n < 0 && errno == EINTR)
		return;
	(void)close(text->fd); /* EIO: the other end of a terminal is closed */
	text->fd = -1;
}

static _Noreturn void become(const char *const *argv, program_prepare_fn *prepare, void *arg)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave processes
						 * running */
	(void)signal(SIGPIPE, SIG_DFL);
	if (prepare)
		prepare(arg);
	(void)execv(argv[0], (char *const *)argv);
	_exit(127);
}

void program_start(struct program *p, const char *const *argv, program_prepare_fn *prepare,
		   void *arg)
{
	int in[2], out[2], err[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		become(argv, prepare, arg);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(err[1]);
	p->input = in[1];
	text_init(&p->out, out[0]);
	text_init(&p->err, err[0]);
}

void program_start_on_terminal(struct program *p, const char *const *argv)
{
	struct termios raw;
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	assert_int_equal(fcntl(master, F_SETFD, FD_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		(void)setenv("TERM", "xterm", 1);
		(void)unsetenv("NO_COLOR");
		for (int fd = 0; fd < 3; fd++)
			(void)dup2(slave, fd);
		(void)close(slave);
		become(argv, NULL, NULL);
	}
	(void)close(slave);
	p->input = -1;
	text_init(&p->out, master);
	text_init(&p->err, -1);
}

bool program_pump(struct program *p, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = p->out.fd, .events = POLLIN },
		{ .fd = p->err.fd, .events = POLLIN },
	};

	if (p->out.fd < 0 && p->err.fd < 0)
		return false;
	if (poll(fds, 2, timeout_ms) <= 0)
		return true;
	if (fds[0].revents)
		text_read(&p->out);
	if (fds[1].revents)
		text_read(&p->err);
	return true;
}

unsigned program_count(const struct program_text *text, const char *needle)
{
	const char *at = text->bytes, *end = text->bytes + text->len;
	size_t len = strlen(needle);
	unsigned count = 0;

	while (at < end && (at = memmem(at, (size_t)(end - at), needle, len))) {
		at += len;
		count++;
	}
	return count;
}

/* Returns the end of a long text. */
static const char *tail_of(const struct program_text *text)
{
	return text->len > 2000 ? text->bytes + text->len - 2000 : text->bytes;
}

void program_await_count(struct program *p, struct program_text *text, const char *needle,
			 unsigned count)
{
	int64_t deadline = hw_clock_monotonic_ns() + PROGRAM_DEADLINE_MS * MS;

	while (program_count(text, needle) < count)
		if (!program_pump(p, 100) || hw_clock_monotonic_ns() > deadline)
			fail_msg("%u of %u times \"%s\"; stdout: %s\nstderr: %s",
				 program_count(text, needle), count, needle, tail_of(&p->out),
				 tail_of(&p->err));
}

void program_await(struct program *p, struct program_text *text, const char *needle)
{
	program_await_count(p, text, needle, 1);
}

char *program_line(struct program *p, int timeout_ms)
{
	int64_t deadline = hw_clock_monotonic_ns() + timeout_ms * MS;
	char *newline;

	while (!(newline = memchr(p->out.bytes + p->out.taken, '\n', p->out.len - p->out.taken))) {
		int64_t left = (deadline - hw_clock_monotonic_ns()) / MS;

		if (left < 0 || !program_pump(p, (int)left))
			return NULL;
	}
	char *line = p->out.bytes + p->out.taken;

	*newline = '\0';
	p->out.taken = (size_t)(newline - p->out.bytes) + 1;
	return line;
}

int program_end(struct program *p, int signal)
{
	int64_t deadline = hw_clock_monotonic_ns() + PROGRAM_DEADLINE_MS * MS;
	int status = 0;
	pid_t pid = 0;

	if (signal)
		(void)kill(p->pid, signal); /* the program may have ended */
	while (pid == 0) {
		if (!program_pump(p, 10))
			(void)poll(NULL, 0, 1); /* the program has closed its outputs, but not ended
						 * yet */
		pid = waitpid(p->pid, &status, WNOHANG);
		if (hw_clock_monotonic_ns() > deadline) {
			(void)kill(p->pid, SIGKILL);
			(void)waitpid(p->pid, &status, 0);
			fail_msg("it does not end; stderr: %s", tail_of(&p->err));
		}
	}
	while (program_pump(p, 0) && (p->out.fd >= 0 || p->err.fd >= 0) &&
	       hw_clock_monotonic_ns() < deadline)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void program_free(struct program *p)
{
	for (struct program_text *text = &p->out; text; text = text == &p->out ? &p->err : NULL) {
		if (text->fd >= 0)
			(void)close(text->fd); /* only read */
		free(text->bytes);
	}
	if (p->input >= 0)
		(void)close(p->input); /* nothing was written */
}

unsigned program_cpu_ms(const struct program *p)
{
	unsigned long user = 0, system = 0;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file,
				"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	(void)fclose(file); /* only read */
	return (unsigned)((user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

bool program_is_asleep(const struct program *p)
{
	char path[64], state = 'R';

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
	(void)fclose(file); /* only read */
	return state == 'S';
}

unsigned program_descriptors(const struct program *p)
{
	unsigned count = 0;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->pid);
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir); /* only read */
	return count - 2;
}

unsigned program_memory_kb(const struct program *p)
{
	char path[64], line[256];
	unsigned kb = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "VmHWM: %u", &kb);
	(void)fclose(file); /* only read */
	return kb;
}
