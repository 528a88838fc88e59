/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories that wait to be listed. */
#include "ahead.h"
#include "scan_private.h"

#include <stdlib.h>
#include <unistd.h>

static struct hw_job *take_job(struct hw_share *share)
{
	struct hw_job *job = share->scan.spare;

	if (!job)
		return calloc(1, sizeof(*job));
	share->scan.spare = job->next;
	share->scan.spares--;
	struct hw_listing memory = job->listing;

	*job = (struct hw_job){ .listing = memory };
	return job;
}

static void give_one(struct hw_share *share, struct hw_job *job)
{
	if (job->fd >= 0)
		close(job->fd);
	if (share && share->scan.spares < HW_JOBS_SPARE && job->listing.room < 4096) {
		job->next = share->scan.spare;
		share->scan.spare = job;
		share->scan.spares++;
		return;
	}
	hw_list_free(&job->listing);
	free(job);
}

void hw_job_leave(struct hw_share *share, struct hw_job *job)
{
	struct hw_job *above = job->above;

	job->above = NULL;
	if (above && !--above->below && above->given)
		give_one(share, above);
}

void hw_job_give(struct hw_share *share, struct hw_job *job)
{
	hw_job_leave(share, job);
	job->given = true;
	if (!job->below)
		give_one(share, job);
}

void hw_scan_trim(struct hw_share *share)
{
	struct hw_job *job = share->scan.spare, *next;

	for (; job; job = next) {
		next = job->next;
		job->fd = -1; /* closed when it became a spare one */
		hw_job_give(NULL, job);
	}
	share->scan.spare = NULL;
	share->scan.spares = 0;
}

struct hw_job *hw_job_enqueue(struct hw_share *share, uint32_t dir, enum hw_job_kind kind, int fd)
{
	struct hw_job *job = take_job(share);

	if (!job) {
		hw_shortage_found(share);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!share->scan.walking) {
		share->marks.walk_ns = share->marks.read_until_ns;
		share->scan.ahead = HW_AHEAD_MAX;
	}
	share->scan.walking = true;
	job->share = share;
	job->dir = hw_tree_token(&share->tree, dir);
	job->kind = kind;
	job->fd = fd;
	job->watcher = HW_WATCHER_NONE;
	job->next = share->scan.queue;
	share->scan.queue = job;
	share->scan.queued++;
	return job;
}

struct hw_job *hw_job_compare(struct hw_share *share, uint32_t dir, uint8_t watcher)
{
	struct hw_job *job = hw_job_enqueue(share, dir, HW_JOB_COMPARE, -1);

	if (job)
		job->watcher = watcher;
	return job;
}

struct hw_job *hw_job_below(struct hw_share *share, struct hw_job *above, uint32_t dir)
{
	struct hw_job *job = hw_job_compare(share, dir, above->watcher);

	if (!job)
		return NULL;
	job->above = above;
	job->moved = (uint8_t)(above->moved + 1);
	above->below++;
	return job;
}

void hw_job_put_back(struct hw_share *share, struct hw_job *job)
{
	struct hw_job **end = &share->scan.queue;

	while (*end)
		end = &(*end)->next;
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	job->next = NULL;
	*end = job;
	share->scan.queued++;
}
