/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon of a host: its directories, its configuration, its start and its end. */
#include "soak.h"

#include "tests/common/scratch.h"
#include "tests/common/scribble.h"
#include "tests/hostile/support/program.h"
#include "tests/hostile/support/world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Three snapshots with 4 MiB of events each, or three logs of 8 MiB, fit. */
#define STATE_BYTES (40ul << 20)

static const struct {
	const char *name, *watcher;
	bool in_memory, small;
} kinds[SOAK_SHARES] = {
	{ "fan", "fanotify", true, false },
	{ "ino", "inotify", false, false },
	{ "poll", "polling", true, true },
};

void soak_write_config(const struct soak_host *host)
{
	FILE *file = fopen(host->conf, "we");

	assert_non_null(file);
	(void)fprintf(file,
		      "[hostwatch]\ncontrol = %s\nstate_dir = %s/state\nstate_log_dir = %s/log\n"
		      "[sink s]\nplugin = socket\nlisten = unix:%s\n",
		      host->control, host->dir, host->dir, host->socket);
	for (unsigned i = 0; i < SOAK_SHARES; i++)
		(void)fprintf(
			file,
			"[share %s]\npath = %s\nwatcher = %s\ninterval = %ums\njournal = %s\n",
			host->shares[i].name, host->shares[i].root, host->shares[i].watcher,
			host->interval_ms, host->shares[i].small ? "1M" : "16M");
	assert_int_equal(fclose(file), 0);
}

static void init_share(struct soak_host *host, unsigned i)
{
	struct soak_share *share = &host->shares[i];

	share->name = kinds[i].name;
	share->watcher = kinds[i].watcher;
	share->small = kinds[i].small;
	(void)snprintf(share->base, SOAK_PATH, "%s/%s%s", host->dir,
		       kinds[i].in_memory ? "memory/" : "", share->name);
	(void)snprintf(share->root, SOAK_PATH, "%.480s/share", share->base);
	(void)snprintf(share->mount, SOAK_PATH, "%.480s/share/mount", share->base);
	world_mkdir(share->base);
	world_mkdir(share->root);
	world_mkdir(share->mount);
	world_mkdir(world_path(share->base, "outside"));
	for (unsigned k = 0; k < SOAK_READERS; k++)
		soak_reader_init(&share->readers[k], host, share);
	soak_writer_start(share, *host->random * 2 + (i + host->lasts) % 2);
	(void)hw_pick(host->random, 2);
}

void soak_host_init(struct soak_host *host, const char *place)
{
	host->dir = hw_scratch_create(place);
	assert_non_null(host->dir);
	host->interval_ms = 50;
	(void)snprintf(host->conf, SOAK_PATH, "%s/conf", host->dir);
	(void)snprintf(host->control, SOAK_PATH, "%s/control", host->dir);
	(void)snprintf(host->socket, SOAK_PATH, "%s/events", host->dir);
	(void)snprintf(host->log, SOAK_PATH, HW_BUILD_DIR "/soak-%s.log",
		       host->lasts ? "lasting" : "killed");
	(void)unlink(host->log); /* of an earlier run */
	world_mkdir(world_path(host->dir, "memory"));
	world_mount_tmpfs(world_path(host->dir, "memory"), 0);
	world_mkdir(world_path(host->dir, "state"));
	world_mount_tmpfs(world_path(host->dir, "state"), STATE_BYTES);
	world_mkdir(world_path(host->dir, "log"));
	world_mount_tmpfs(world_path(host->dir, "log"), STATE_BYTES);
	for (unsigned i = 0; i < SOAK_STUCK; i++)
		host->stuck[i] = -1;
	for (unsigned i = 0; i < SOAK_SHARES; i++)
		init_share(host, i);
	soak_write_config(host);
	soak_daemon_start(host);
}

void soak_host_end(struct soak_host *host)
{
	soak_daemon_end(host, SIGTERM);
	for (unsigned i = 0; i < SOAK_SHARES; i++) {
		struct soak_share *share = &host->shares[i];

		for (unsigned k = 0; k < SOAK_READERS; k++)
			soak_reader_end(&share->readers[k]);
		if (share->mounted)
			(void)umount2(share->mount, MNT_DETACH);
	}
	for (unsigned i = 0; i < SOAK_STUCK; i++)
		if (host->stuck[i] >= 0)
			(void)close(host->stuck[i]); /* it read nothing */
	(void)umount2(world_path(host->dir, "memory"), MNT_DETACH);
	(void)umount2(world_path(host->dir, "state"), MNT_DETACH);
	(void)umount2(world_path(host->dir, "log"), MNT_DETACH);
	hw_scratch_remove(host->dir);
}

/* ---- start and end ---- */

/* Returns whether the log has this text behind an offset. */
static bool has_logged(const struct soak_host *host, off_t from, const char *text)
{
	static char bytes[65536];
	int fd = open(host->log, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes) - 1, from);

	if (fd >= 0)
		(void)close(fd); /* only read */
	bytes[n > 0 ? n : 0] = '\0';
	return strstr(bytes, text) != NULL;
}

static _Noreturn void become_daemon(const struct soak_host *host, int log)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(log, STDERR_FILENO);
	(void)execl(HOSTWATCHD, HOSTWATCHD, "-c", host->conf, (char *)NULL);
	_exit(127);
}

void soak_daemon_start(struct soak_host *host)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t until = hw_clock_monotonic_ns() + SOAK_DEADLINE_NS;
	int log = open(host->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	off_t from = lseek(log, 0, SEEK_END);

	assert_true(from >= 0);
	host->daemon = fork();
	assert_true(host->daemon >= 0);
	if (!host->daemon)
		become_daemon(host, log);
	(void)close(log); /* the daemon has it */
	while (!has_logged(host, from, "ready: ")) {
		if (hw_clock_monotonic_ns() > until ||
		    waitpid(host->daemon, NULL, WNOHANG) == host->daemon)
			fail_msg("the daemon does not start; see %s", host->log);
		(void)nanosleep(&pause, NULL);
	}
}

void soak_daemon_end(struct soak_host *host, int signal)
{
	int status;

	assert_int_equal(waitpid(host->daemon, &status, WNOHANG), 0);
	assert_int_equal(kill(host->daemon, signal), 0);
	assert_int_equal(waitpid(host->daemon, &status, 0), host->daemon);
	if (signal == SIGTERM && status)
		fail_msg("the daemon ended with %#x; see %s", (unsigned)status, host->log);
}

/* Returns its status. */
static int run_once(const struct soak_host *host, const char *command, const char *a, const char *b,
		    struct program *p)
{
	PROGRAM_START(p, NULL, NULL, HOSTWATCH, command, "--timeout", "150s", "--socket",
		      host->control, a, b);
	while (program_pump(p, 1000))
		;
	return program_end(p, 0);
}

/* A reload ends before its shares are armed; no switch begins until then. */
char *soak_command(const struct soak_host *host, const char *command, const char *a, const char *b)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int64_t until = hw_clock_monotonic_ns() + SOAK_DEADLINE_NS;
	struct program p;
	char *text;
	int status;

	while ((status = run_once(host, command, a, b, &p)) != 0) {
		if (!strstr(p.err.bytes, "; try again") || hw_clock_monotonic_ns() > until)
			fail_msg("hostwatch %s ended with %d: %s", command, status, p.err.bytes);
		program_free(&p);
		(void)nanosleep(&pause, NULL);
	}
	text = strdup(p.out.bytes);
	assert_non_null(text);
	program_free(&p);
	return text;
}

/* Counts all but the directories of shares, whose number is that of the directories there are. */
static unsigned count_descriptors(pid_t pid)
{
	char path[64], target[SOAK_PATH];
	struct dirent *entry;
	unsigned count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		count += len > 0 && !strstr(target, "/share");
	}
	(void)closedir(dir); /* only read */
	return count;
}

/* What the journals hold: they grow to their sizes. */
static unsigned journal_kb(const struct soak_host *host)
{
	static const char key[] = "\"journal_bytes\":";
	char *status = soak_command(host, "status", "--json", NULL);
	unsigned long long bytes = 0;
	unsigned count = 0;

	for (const char *at = status; (at = strstr(at, key)); count++) {
		at += strlen(key);
		bytes += strtoull(at, NULL, 10);
	}
	assert_int_equal(count, SOAK_SHARES);
	free(status);
	return (unsigned)(bytes / 1024);
}

void soak_measure(const struct soak_host *host, unsigned *ret_kb, unsigned *ret_fds)
{
	unsigned journals = journal_kb(host);
	char path[64], line[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)host->daemon);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	*ret_kb = 0;
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "VmRSS: %u", ret_kb);
	(void)fclose(file); /* only read */
	*ret_kb -= journals < *ret_kb ? journals : *ret_kb;
	*ret_fds = count_descriptors(host->daemon);
}
