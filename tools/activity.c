/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activity.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DELAY_MIN_NS (10 * HW_MS)
#define DELAY_MAX_NS HW_SEC
#define DEPTH_MAX 64u

static int64_t real_time_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* 0 also for one that has ended meanwhile. */
static uint64_t time_of(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static bool add_children(pid_t parent, unsigned depth, uint64_t *sum);

/* Children belong to the thread that made them. False: the kernel does not list them. */
static bool add_children_of_thread(pid_t parent, const char *thread, unsigned depth, uint64_t *sum)
{
	char path[320];
	FILE *list;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)parent, thread);
	list = fopen(path, "re");
	if (!list)
		return false;
	while (fscanf(list, "%d", &pid) == 1) {
		*sum += time_of(pid) + 1; /* one that has just been made counts as well */
		if (depth < DEPTH_MAX)
			(void)add_children(pid, depth + 1, sum); /* false: it has ended */
	}
	(void)fclose(list); /* it was only read */
	return true;
}

/* Of all children of a process, and theirs. */
static bool add_children(pid_t parent, unsigned depth, uint64_t *sum)
{
	const struct dirent *entry;
	char path[64];
	bool any = false;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while ((entry = readdir(tasks))) {
		if (*entry->d_name != '.')
			any |= add_children_of_thread(parent, entry->d_name, depth, sum);
	}
	(void)closedir(tasks); /* it was only read */
	return any;
}

/* Whether they have used none since the last look. */
static bool look(struct hw_activity *activity)
{
	int64_t now = real_time_ns();
	uint64_t used = 0;

	if (!add_children(getpid(), 0, &used))
		used = UINT64_MAX;
	if (used == activity->used_ns && used != UINT64_MAX)
		return true;
	activity->used_ns = used;
	activity->since_ns = now;
	return false;
}

static void look_later(struct hw_activity *activity, uint64_t delay_ns)
{
	activity->delay_ns = delay_ns < DELAY_MAX_NS ? delay_ns : DELAY_MAX_NS;
	hw_timer_set(activity->timer, activity->delay_ns);
}

static void look_fired(void *arg, struct hw_timer *timer)
{
	struct hw_activity *activity = arg;

	(void)timer;
	if (!look(activity))
		look_later(activity, 2 * activity->delay_ns);
}

int64_t hw_activity_resting_since(struct hw_activity *activity)
{
	if (look(activity))
		return activity->since_ns;
	look_later(activity, DELAY_MIN_NS);
	return INT64_MAX;
}

int hw_activity_init(struct hw_activity *activity, struct hw_loop *loop)
{
	activity->used_ns = UINT64_MAX;
	return hw_timer_add(loop, look_fired, activity, &activity->timer);
}

void hw_activity_free(struct hw_activity *activity)
{
	hw_timer_del(activity->timer);
}

void hw_activity_begin(struct hw_activity *activity)
{
	(void)look(activity);
	look_later(activity, DELAY_MIN_NS);
}

void hw_activity_note_end(struct hw_activity *activity)
{
	(void)look(activity);
}

void hw_activity_end(struct hw_activity *activity)
{
	hw_timer_set(activity->timer, 0);
}
