/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of --state: one line with the share, its epoch, and the last event whose line was
 * written. It is replaced after the output, so that an event may be printed twice and is never
 * left out.
 */
#include "log.h"
#include "standard.h"
#include "tail.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512u
#define TEXT_MAX 1024u
#define SAVE_EVENTS 4096u /* printed without a pause, after which the file is replaced */

__attribute__((format(printf, 2, 3))) static int fail(const struct tail *t, const char *format, ...)
{
	char quoted[300], text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return hw_args_failure(&tool_tail_line, "--state: %s: %s",
			       hw_quote(quoted, sizeof(quoted), t->state_path,
					strlen(t->state_path)),
			       text);
}

/* ---- reading ---- */

/* Returns the number of bytes, -ENOENT, -EINVAL if a new file must not replace this one
 * (/dev/null), or another -errno. */
static ssize_t read_line(const char *path, char line[LINE_MAX_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = -EINVAL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (n = read(fd, line, LINE_MAX_BYTES - 1)) < 0)
		n = -errno;
	if (n >= 0)
		line[n] = '\0';
	(void)close(fd); /* it was only read */
	return n;
}

static int take_position(struct tail *t, const char *line)
{
	struct tail_position *p = &t->state;
	int end = 0;

	if (sscanf(line, "hostwatch-tail 1 %255[A-Za-z0-9._-] %16" SCNx64 " %20" SCNu64 "\n%n",
		   p->share, &p->epoch, &p->seq, &end) != 3 ||
	    !end || line[end] || !p->epoch)
		return fail(t, "this is not a state of hostwatch tail; remove the file, or give "
			       "the name of another one");
	if (t->subscribe.share && strcmp(t->subscribe.share, p->share) != 0)
		return fail(t,
			    "this is the state of share %s, not of %s; give each share a file of "
			    "its own",
			    p->share, t->subscribe.share);
	t->subscribe.share = p->share;
	t->subscribe.resume = true;
	t->subscribe.epoch = p->epoch;
	t->subscribe.after = p->seq;
	t->subscribe.snapshot = false; /* it was complete when the state was written */
	t->loaded = true;
	return -1;
}

/* Returns -1, or an exit status. */
static int lock(struct tail *t)
{
	int r = hw_tail_find_state(t);

	if (r == 0)
		r = hw_tail_lock_state(t);
	if (r == -EAGAIN)
		return fail(t, "another hostwatch tail uses this file; give each one a file of its "
			       "own");
	return r < 0 ? fail(t, "cannot lock it with a file " TAIL_LOCK " beside it: %s",
			    strerror(-r))
		     : -1;
}

int hw_tail_load_state(struct tail *t)
{
	char line[LINE_MAX_BYTES];
	ssize_t n;
	int status;

	if (!t->state_path)
		return -1;
	if (t->address.transport == HW_TRANSPORT_NETLINK)
		return hw_args_mistake(&tool_tail_line, "--state: a netlink group has no resume");
	if (t->epoch)
		return hw_args_mistake(&tool_tail_line, "--state and --after exclude each other");
	status = lock(t);
	if (status >= 0)
		return status;
	n = read_line(t->state_path, line);
	if (n == -ENOENT)
		return -1;
	if (n < 0)
		return fail(t, "%s", n == -EINVAL ? "not a regular file" : strerror((int)-n));
	if (n == 0) {
		(void)fail(t, "the file is empty: starting with the next event");
		return -1;
	}
	return take_position(t, line);
}

/* ---- resuming ---- */

static const struct hw_share_info *find_info(const char *name, const struct hw_share_info *shares,
					     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(shares[i].name, name) == 0)
			return &shares[i];
	return NULL;
}

/* A stream may have the events of earlier histories, and those of a share later. */
static int check_loaded(struct tail *t, const struct hw_share_info *info)
{
	t->resuming = info && (info->epoch == t->state.epoch || t->nats.on);
	if (t->resuming || t->nats.on)
		return 0;
	if (!info) {
		(void)fail(t,
			   "this is the state of share %s, which the server at %s does not have; "
			   "give each share a file of its own",
			   t->state.share, t->address.text);
		return TAIL_REFUSED;
	}
	(void)hw_args_failure(&tool_tail_line,
			      "%s has a new history: cannot resume after event %" PRIu64
			      ", a rescan follows",
			      t->state.share, t->state.seq);
	return 0;
}

int hw_tail_check_state(struct tail *t, const struct hw_share_info *shares, size_t count)
{
	if (!t->state_path || t->connections)
		return 0;
	if (count != 1 && !t->subscribe.share) {
		(void)fail(t, "the server has several shares: choose one with --share");
		return TAIL_REFUSED;
	}
	return t->loaded ? check_loaded(t, find_info(t->state.share, shares, count)) : 0;
}

void hw_tail_check_rescan(struct tail *t, const struct hw_event *event)
{
	if (!t->resuming || event->kind != HW_RESCAN || event->path_len > t->subscribe.below_len)
		return;
	t->resuming = false;
	(void)hw_args_failure(&tool_tail_line,
			      "%s: events after %" PRIu64 " are missing, a rescan replaces them",
			      t->state.share, t->state.seq);
}

bool hw_tail_needs_snapshot(const struct tail *t)
{
	return t->state_path && t->share_count == 1 && t->shares->in_snapshot;
}

void hw_tail_say_own(struct tail *t, const struct hw_event *event)
{
	const char *path = event->path ? event->path : event->from;
	size_t len = event->path ? event->path_len : event->from_len;
	char quoted[300];

	if (t->said_own)
		return;
	t->said_own = true;
	(void)fail(t,
		   "the file seems to be in the share: an event is about %s; such events are "
		   "shown, and stored with the next other one only; keep the file outside of the "
		   "share, or leave them out with --exclude",
		   hw_quote(quoted, sizeof(quoted), path, len));
}

/* ---- writing ---- */

/* Writes the line to a new file, which then replaces the old one. */
static int replace(const char *path, const char *line, size_t len)
{
	char *new = NULL;
	int fd, r = 0;

	if (asprintf(&new, "%s" TAIL_NEW, path) < 0)
		return -ENOMEM;
	if (unlink(new) < 0 && errno != ENOENT)
		r = -errno;
	fd = r < 0 ? -1 : open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r == 0 && fd < 0)
		r = -errno;
	if (fd >= 0) {
		ssize_t n = write(fd, line, len);

		if (n != (ssize_t)len || fdatasync(fd) < 0)
			r = n >= 0 && n != (ssize_t)len ? -ENOSPC : -errno;
		if (close(fd) < 0 && r == 0)
			r = -errno;
	}
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	free(new);
	return r;
}

static int save(struct tail *t, const struct tail_share *share)
{
	char line[LINE_MAX_BYTES];
	int len = snprintf(line, sizeof(line), "hostwatch-tail 1 %s %016" PRIx64 " %" PRIu64 "\n",
			   share->name, share->epoch, share->seq);
	int r = replace(t->state_path, line, (size_t)len);

	if (r < 0) {
		t->state_failed = true;
		(void)fail(t, "%s", strerror(-r));
		return r;
	}
	(void)snprintf(t->state.share, sizeof(t->state.share), "%s", share->name);
	t->state.epoch = share->epoch;
	t->state.seq = share->seq;
	t->loaded = true;
	return 0;
}

int hw_tail_save_state(struct tail *t)
{
	const struct tail_share *share = t->shares;

	if (t->own && !t->unsaved)
		return 0; /* it would cause others, and these others */
	t->unsaved = t->own = 0;
	if (!t->state_path || t->share_count != 1 || share->in_snapshot || !share->epoch)
		return 0;
	if (t->loaded && t->state.epoch == share->epoch && t->state.seq == share->seq)
		return 0;
	return save(t, share);
}

int hw_tail_save_often(struct tail *t)
{
	if (!t->state_path || t->unsaved < SAVE_EVENTS)
		return 0;
	return hw_standard_flush() < 0 ? -EPIPE : hw_tail_save_state(t);
}
