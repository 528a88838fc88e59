/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

/* As uv_queue_work() documents them. */
#define SIZE_DEFAULT 4u
#define SIZE_MAX_OF_UV 1024u

unsigned hw_pool_size(void)
{
	const char *text = getenv("UV_THREADPOOL_SIZE");
	int size = text ? atoi(text) : (int)SIZE_DEFAULT; /* libuv reads it in the same way */

	if (size == 0)
		return 1;
	return (unsigned)size > SIZE_MAX_OF_UV ? SIZE_MAX_OF_UV : (unsigned)size;
}

static void wait_for_all(void *all)
{
	uv_sem_wait(all);
}

/* All of them exist at the same time. Their stacks stay reserved for the next threads. */
static int try_threads(uv_thread_t *threads, unsigned count)
{
	unsigned made = 0;
	uv_sem_t all;
	int r = uv_sem_init(&all, 0);

	if (r < 0)
		return r;
	while (made < count && r == 0) {
		r = uv_thread_create(&threads[made], wait_for_all, &all);
		made += r == 0;
	}
	for (unsigned i = 0; i < made; i++)
		uv_sem_post(&all);
	for (unsigned i = 0; i < made; i++)
		(void)uv_thread_join(&threads[i]); /* cannot fail for a thread that was made */
	uv_sem_destroy(&all);
	return r;
}

static void do_nothing(uv_work_t *work)
{
	(void)work;
}

static void release(uv_work_t *work, int status)
{
	(void)status;
	free(work);
}

int hw_pool_start(uv_loop_t *loop)
{
	unsigned count = hw_pool_size();
	uv_thread_t *threads = calloc(count, sizeof(*threads));
	uv_work_t *work = calloc(1, sizeof(*work));
	int r = threads && work ? try_threads(threads, count) : -ENOMEM;

	free(threads);
	if (r == 0)
		r = uv_queue_work(loop, work, do_nothing, release);
	if (r < 0)
		free(work);
	return r;
}
