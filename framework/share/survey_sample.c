/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measures the time of a scan: lists a sample of directories on the thread pool, as a scan does.
 * The walk has just visited them, so the kernel has them in memory, as it has directories that are
 * scanned every second.
 */
#include "list.h"
#include "survey_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define IN_FLIGHT 4u /* as scan.c */
#define RUNS 3u

struct measuring {
	struct hw_surveying *s;
	const struct hw_survey_sample *sample;
	size_t next; /* index in the sample */
	uint64_t entries, directories;
};

struct timing {
	uint64_t ns, cpu_ns;
	uint64_t seen; /* entries and directories */
};

struct job {
	uv_work_t work; /* first member: libuv passes it back */
	struct measuring *m;
	int fd; /* owned */
	struct hw_listing listing;
};

void hw_survey_sample_add(struct hw_surveying *s, struct hw_survey_sample *sample,
			  const struct hw_survey_visit *visit)
{
	if (sample->offered++ % sample->stride)
		return;
	if (sample->count == HW_SURVEY_SAMPLE_MAX) {
		sample->count = 0;
		for (size_t i = 0; i < HW_SURVEY_SAMPLE_MAX; i++) {
			if (i % 2)
				free(sample->paths[i]);
			else
				sample->paths[sample->count++] = sample->paths[i];
		}
		sample->stride *= 2;
	}
	sample->paths[sample->count] = strndup(visit->path, visit->len);
	if (sample->paths[sample->count])
		sample->count++;
	else
		s->error = -ENOMEM;
}

void hw_survey_sample_free(struct hw_survey_sample *sample)
{
	for (size_t i = 0; i < sample->count; i++)
		free(sample->paths[i]);
	sample->count = 0;
}

/* ---- measuring ---- */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

static void list_in_thread(uv_work_t *work)
{
	struct job *job = (struct job *)(void *)work;

	hw_list_read(job->fd, HW_LIST_MAX, (struct hw_identify){ 0 }, &job->listing);
}

static void listed(uv_work_t *work, int status);

/* Starts on the next directory of the sample that still exists. */
static void launch(uv_loop_t *loop, struct job *job)
{
	struct measuring *m = job->m;
	struct hw_survey_visit visit;

	while (m->next < m->sample->count) {
		const char *path = m->sample->paths[m->next++];

		if (hw_survey_open(m->s, path, strlen(path), &visit) < 0)
			continue;
		job->fd = openat(visit.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(visit.fd); /* O_PATH */
		if (job->fd < 0)
			continue;
		if (uv_queue_work(loop, &job->work, list_in_thread, listed) == 0)
			return;
		(void)close(job->fd); /* read only */
	}
}

static void listed(uv_work_t *work, int status)
{
	struct job *job = (struct job *)(void *)work;

	(void)status; /* it is never cancelled */
	(void)close(job->fd); /* read only */
	job->m->entries += job->listing.count;
	job->m->directories++;
	launch(work->loop, job);
}

/* One scan of the sample. ns 0: it could not be measured. */
static struct timing run(struct hw_surveying *s, const struct hw_survey_sample *sample)
{
	struct measuring m = { .s = s, .sample = sample };
	struct job jobs[IN_FLIGHT] = { 0 };
	struct timing timing = { 0 };
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0)
		return timing;
	timing.ns = clock_ns(CLOCK_MONOTONIC);
	timing.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		jobs[i].m = &m;
		launch(&loop, &jobs[i]);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* until nothing is left */
	timing.ns = clock_ns(CLOCK_MONOTONIC) - timing.ns;
	timing.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - timing.cpu_ns;
	timing.seen = m.entries + m.directories;
	(void)uv_loop_close(&loop); /* it is empty */
	for (size_t i = 0; i < IN_FLIGHT; i++)
		hw_list_free(&jobs[i].listing);
	return timing;
}

static uint64_t scaled(uint64_t ns, uint64_t whole, uint64_t part)
{
	return (uint64_t)((double)ns * (double)whole / (double)part);
}

void hw_survey_sample_measure(struct hw_surveying *s, const struct hw_survey_sample *sample,
			      struct hw_survey_filesystem *fs)
{
	uint64_t whole = fs->entries + fs->directories;
	struct timing best = { 0 };

	/* The shortest run counts: other programs can only make it longer. */
	for (unsigned i = 0; i < RUNS; i++) {
		struct timing timing = run(s, sample);

		if (timing.seen && (!best.ns || timing.ns < best.ns))
			best = timing;
	}
	if (!best.seen)
		return; /* unknown */
	fs->scan_ns = scaled(best.ns, whole, best.seen);
	fs->cpu_ns = scaled(best.cpu_ns, whole, best.seen);
}
