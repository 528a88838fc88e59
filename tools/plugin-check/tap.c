/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap.h"

#include "guard.h"
#include "standard.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES 3u /* a callback that blocked may have been delayed by another program */
#define LINE_MAX_BYTES 1024u

static unsigned number, failed;

void hw_tap_begin(void)
{
	printf("TAP version 13\n");
}

static void print_result(const char *word, const char *name, const char *reason)
{
	printf("%s %u - %s", word, ++number, name);
	if (reason)
		printf(" # SKIP %s", reason);
	printf("\n");
	(void)hw_standard_flush(); /* is_over() checks the result */
}

/* Returns whether a signal ended the program, or the reader left. */
static bool is_over(void)
{
	return hw_standard_caught() || ferror(stdout);
}

void hw_tap_skip(const char *name, const char *reason)
{
	if (is_over())
		return;
	print_result("ok", name, reason);
}

/* The plugin's output is untrusted. */
static void print_line(const char *prefix, const char *line, size_t len)
{
	printf("%s", prefix);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c >= ' ' && c != 0x7f && c < 0x80)
			(void)putchar(c);
		else
			printf(c == '\t' ? "\t" : "\\x%02x", c);
	}
	printf("\n");
}

static unsigned count_lines(FILE *report)
{
	char line[LINE_MAX_BYTES];
	unsigned count = 0;

	rewind(report);
	while (fgets(line, sizeof(line), report))
		count++;
	rewind(report);
	return count;
}

/* Prints the last lines: errors follow the lines that the program logged before. */
static void print_report(int fd)
{
	FILE *report = fdopen(fd, "r");
	char line[LINE_MAX_BYTES];

	if (!report)
		return;
	unsigned count = count_lines(report);
	if (count > HW_TAP_LINES_MAX)
		printf("# (%u more lines)\n", count - HW_TAP_LINES_MAX);
	while (fgets(line, sizeof(line), report))
		if (count-- <= HW_TAP_LINES_MAX)
			print_line("# ", line, strcspn(line, "\n"));
	(void)fclose(report); /* in memory */
}

/* Reads the last line, which is the reason for skipping the check. */
static void read_reason(int fd, char reason[LINE_MAX_BYTES])
{
	FILE *report = fdopen(fd, "r");
	char line[LINE_MAX_BYTES];

	(void)snprintf(reason, LINE_MAX_BYTES, "not possible here");
	if (!report)
		return;
	rewind(report);
	while (fgets(line, sizeof(line), report)) {
		size_t len = strcspn(line, "\n");

		for (size_t i = 0; i < len; i++)
			reason[i] =
				line[i] < ' ' || line[i] == 0x7f || line[i] == '#' ? '?' : line[i];
		reason[len] = '\0';
	}
	(void)fclose(report); /* in memory */
}

static void run_child(struct hw_kit *kit, int report, hw_kit_check *check, const void *arg)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	enum hw_kit_verdict verdict;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_DFL); /* the plugin may need the default action */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail: the signal exists */
	if (dup2(report, STDOUT_FILENO) < 0 || dup2(report, STDERR_FILENO) < 0)
		_exit(HW_KIT_FAIL);
	(void)close(report); /* duplicated */
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* lines are written before a crash */
	(void)alarm(HW_TAP_TIMEOUT_S);
	verdict = check(kit, arg);
	if (hw_guard_faults() && verdict != HW_KIT_SKIP)
		verdict = HW_KIT_FAIL;
	if (hw_guard_blocked() && verdict == HW_KIT_PASS)
		verdict = HW_KIT_SLOW;
	(void)fflush(stdout); /* in memory */
	exit((int)verdict);
}

/* Waits until the process ends, and kills it if a signal ends this program. */
static void await_child(pid_t pid)
{
	struct pollfd fds[] = {
		{ .fd = pidfd_open(pid, 0), .events = POLLIN },
		{ .fd = hw_standard_caught_fd(), .events = POLLIN },
	};

	if (fds[0].fd < 0)
		return; /* waitpid() then waits */
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (hw_standard_caught())
		(void)kill(pid, SIGKILL); /* it may have ended */
	(void)close(fds[0].fd); /* nothing to lose */
}

/* Returns the result, from the exit status or from the signal that ended the process. */
static enum hw_kit_verdict wait_child(pid_t pid, int report)
{
	int status;

	await_child(pid);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return HW_KIT_FAIL;
	if (WIFEXITED(status)) {
		int code = WEXITSTATUS(status);

		if (code == HW_KIT_PASS || code == HW_KIT_SKIP || code == HW_KIT_SLOW)
			return (enum hw_kit_verdict)code;
		if (code != HW_KIT_FAIL)
			dprintf(report, "the check ended with status %d\n", code);
	} else if (WTERMSIG(status) == SIGALRM) {
		dprintf(report, "still running after %u s: a callback does not return\n",
			HW_TAP_TIMEOUT_S);
	} else {
		dprintf(report, "crashed: %s\n", strsignal(WTERMSIG(status)));
	}
	return HW_KIT_FAIL;
}

static enum hw_kit_verdict run_once(struct hw_kit *kit, int report, hw_kit_check *check,
				    const void *arg)
{
	(void)hw_standard_flush(); /* otherwise, the child would print it again */
	pid_t pid = fork();

	if (pid == 0)
		run_child(kit, report, check, arg);
	return pid < 0 ? HW_KIT_FAIL : wait_child(pid, report);
}

enum hw_kit_verdict hw_tap_run(struct hw_kit *kit, const char *name, hw_kit_check *check,
			       const void *arg)
{
	enum hw_kit_verdict verdict = HW_KIT_FAIL;
	char reason[LINE_MAX_BYTES];
	int report = -1;

	if (is_over())
		return HW_KIT_FAIL;
	if (kit->only && fnmatch(kit->only, name, 0) != 0)
		return HW_KIT_PASS;
	for (unsigned i = 0; i < TRIES; i++) {
		if (report >= 0)
			(void)close(report); /* in memory */
		report = memfd_create("report", MFD_CLOEXEC);
		if (report < 0)
			break;
		verdict = run_once(kit, report, check, arg);
		if (verdict != HW_KIT_SLOW || is_over())
			break;
	}
	if (is_over()) { /* it was interrupted */
		if (report >= 0)
			(void)close(report); /* in memory */
		return HW_KIT_FAIL;
	}
	if (verdict == HW_KIT_SKIP) {
		read_reason(report, reason);
		print_result("ok", name, reason);
		return verdict;
	}
	failed += verdict != HW_KIT_PASS;
	print_result(verdict == HW_KIT_PASS ? "ok" : "not ok", name, NULL);
	if (report >= 0 && (verdict != HW_KIT_PASS || kit->verbose))
		print_report(report);
	else if (report >= 0)
		(void)close(report); /* in memory */
	(void)hw_standard_flush(); /* is_over() checks the result */
	return verdict == HW_KIT_SLOW ? HW_KIT_FAIL : verdict;
}

unsigned hw_tap_end(void)
{
	if (is_over())
		return failed;
	printf("1..%u\n", number);
	if (failed)
		printf("# %u of %u failed\n", failed, number);
	return failed;
}
