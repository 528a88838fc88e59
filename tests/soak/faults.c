/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failures at random moments, and the check after them. */
#include "soak.h"

#include "tests/common/scratch.h"
#include "tests/common/scribble.h"
#include "tests/hostile/support/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MOUNT_BYTES (1ul << 20)

const char *const soak_fault_names[SOAK_FAULTS] = {
	[SOAK_KILL] = "SIGKILL",
	[SOAK_STOP] = "SIGTERM",
	[SOAK_RELOAD] = "reload",
	[SOAK_SWITCH] = "switch",
	[SOAK_OVERFLOW] = "stopped while the kernel's queue fills",
	[SOAK_MOUNT] = "mount or unmount",
	[SOAK_FULL] = "state on a full disk",
	[SOAK_DISCONNECT] = "disconnected subscriber",
	[SOAK_STUCK_READER] = "subscriber that never reads",
};

static struct soak_share *any_share(struct soak_host *host)
{
	return &host->shares[hw_pick(host->random, SOAK_SHARES)];
}

static void restart(struct soak_host *host, int signal)
{
	const struct timespec away = { .tv_nsec = (long)hw_pick(host->random, 300) * 1000000 };

	soak_daemon_end(host, signal);
	(void)nanosleep(&away, NULL);
	soak_daemon_start(host);
}

static void reload(struct soak_host *host)
{
	host->interval_ms = 40 + hw_pick(host->random, 30);
	soak_write_config(host);
	free(soak_command(host, "reload", NULL, NULL));
}

static void switch_watcher(struct soak_host *host)
{
	static const char *const watchers[] = { "fanotify", "inotify", "polling" };

	free(soak_command(host, "switch", any_share(host)->name,
			  watchers[hw_pick(host->random, 3)]));
}

/* More records than a queue holds by default: each round is one for each watcher of the kernel. */
static void overflow(struct soak_host *host)
{
	struct soak_share *share = any_share(host);
	int base = open(share->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(base >= 0);
	assert_int_equal(kill(host->daemon, SIGSTOP), 0);
	for (unsigned i = 0; i < 9000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "many%u", i % 50);
		if (mkdirat(base, name, 0755) < 0)
			(void)unlinkat(base, name, AT_REMOVEDIR);
		else if (i % 3)
			(void)unlinkat(base, name, AT_REMOVEDIR);
	}
	assert_int_equal(kill(host->daemon, SIGCONT), 0);
	(void)close(base); /* only read */
}

static void mount_or_unmount(struct soak_host *host)
{
	struct soak_share *share = any_share(host);

	if (share->mounted) {
		if (umount2(share->mount, 0) < 0)
			assert_int_equal(umount2(share->mount, MNT_DETACH), 0);
	} else {
		world_mount_tmpfs(share->mount, MOUNT_BYTES);
		world_mkdir(world_path(share->mount, "d"));
		for (unsigned i = 0; i < 10; i++)
			world_write(world_path(share->mount, "d/%u", i), "text");
	}
	share->mounted = !share->mounted;
}

static void fill(struct soak_host *host)
{
	static const char zeros[65536];
	const char *dir = hw_pick(host->random, 2) ? "state" : "log";
	int fd = open(world_path(host->dir, "%s/fill", dir),
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	(void)close(fd); /* it is removed later */
	host->full = host->weak = true;
}

static void disconnect(struct soak_host *host)
{
	soak_reader_disconnect(&any_share(host)->readers[hw_pick(host->random, SOAK_READERS)]);
}

static void replace_stuck(struct soak_host *host)
{
	int *fd = &host->stuck[hw_pick(host->random, SOAK_STUCK)];

	if (*fd >= 0)
		(void)close(*fd); /* it read nothing */
	*fd = soak_connect(host->socket, "{\"subscribe\":{}}\n");
}

void soak_inject(struct soak_host *host)
{
	enum soak_fault fault = hw_pick(host->random, SOAK_FAULTS);

	if (host->lasts && (fault == SOAK_KILL || fault == SOAK_STOP))
		fault = SOAK_RELOAD;
	if (fault == SOAK_FULL && hw_pick(host->random, 3))
		fault = SOAK_DISCONNECT; /* the state is not kept for a while after it */
	host->counts->faults[fault]++;
	switch (fault) {
	case SOAK_KILL:
		restart(host, SIGKILL);
		break;
	case SOAK_STOP:
		restart(host, SIGTERM);
		break;
	case SOAK_RELOAD:
		reload(host);
		break;
	case SOAK_SWITCH:
		switch_watcher(host);
		break;
	case SOAK_OVERFLOW:
		overflow(host);
		break;
	case SOAK_MOUNT:
		mount_or_unmount(host);
		break;
	case SOAK_FULL:
		fill(host);
		break;
	case SOAK_DISCONNECT:
		disconnect(host);
		break;
	default:
		replace_stuck(host);
	}
}

/* ---- the check ---- */

static size_t count_differences(const struct soak_share *share, const struct hw_model *told,
				FILE *out)
{
	const struct hw_model_excuse excuse = { .strangers = true };
	struct hw_model *truth;
	size_t wrong;

	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, share->root), 0);
	wrong = hw_model_compare(told, truth, out) +
		hw_model_check_beliefs_but(told, &excuse, out) +
		hw_model_check_announced(told, out);
	hw_model_destroy(truth);
	return wrong;
}

/* Tells a daemon that does not know a change from one that did not send it in time. */
static void explain(struct soak_host *host, struct soak_share *share, struct soak_reader *reader)
{
	struct soak_reader other;

	soak_reader_init(&other, host, share);
	soak_reader_sync(&other, host->barrier);
	fprintf(stderr, "the tree of the daemon:\n");
	(void)count_differences(share, other.told, stderr);
	soak_reader_end(&other);
	soak_reader_sync(reader, ++host->barrier);
	fprintf(stderr, "after another barrier:\n");
	(void)count_differences(share, reader->told, stderr);
	char *status = soak_command(host, "status", NULL, NULL);

	fprintf(stderr, "%s\n", status);
	free(status);
}

static void compare(struct soak_host *host, struct soak_share *share)
{
	for (unsigned i = 0; i < SOAK_READERS; i++) {
		struct soak_reader *reader = &share->readers[i];
		size_t wrong = count_differences(share, reader->told, stderr);

		if (wrong) {
			explain(host, share, reader);
			fail_msg("%s: subscriber %u at event %llu differs from the disk in %zu "
				 "entries; see %s",
				 share->root, i, (unsigned long long)reader->seq, wrong, host->log);
		}
		host->counts->compared += hw_model_entries(reader->told);
	}
}

/* Makes room again. The state of the shares is kept from the moment when the daemon says so. */
static void end_fullness(struct soak_host *host)
{
	char *status;

	if (host->full && hw_pick(host->random, 2)) {
		(void)unlink(world_path(host->dir, "state/fill"));
		(void)unlink(world_path(host->dir, "log/fill"));
		host->full = false;
	}
	if (host->full || !host->weak)
		return;
	status = soak_command(host, "status", NULL, NULL);
	host->weak = strstr(status, "state not kept") != NULL;
	free(status);
}

/* The memory of the daemon is what it was in the first third of the run. */
static void measure(struct soak_host *host, bool first)
{
	if (!host->lasts)
		return;
	soak_measure(host, &host->last_kb, &host->last_fds);
	if (!first)
		return;
	if (host->first_kb < host->last_kb)
		host->first_kb = host->last_kb;
	if (host->first_fds < host->last_fds)
		host->first_fds = host->last_fds;
}

void soak_check(struct soak_host *host, bool first)
{
	host->barrier++;
	for (unsigned i = 0; i < SOAK_SHARES; i++)
		soak_writer_pause(&host->shares[i]);
	for (unsigned i = 0; i < SOAK_SHARES; i++) {
		for (unsigned k = 0; k < SOAK_READERS; k++)
			soak_reader_sync(&host->shares[i].readers[k], host->barrier);
		compare(host, &host->shares[i]);
	}
	host->counts->barriers++;
	end_fullness(host);
	measure(host, first);
	for (unsigned i = 0; i < SOAK_SHARES; i++)
		soak_writer_resume(&host->shares[i]);
}
