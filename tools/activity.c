/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activity.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
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

/* Returns 0 also for a process that has ended. */
static uint64_t time_of(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Returns false also for a process that has ended. */
static bool thread_runs(pid_t pid, const char *thread)
{
	char path[320], text[512];
	const char *name_end = NULL;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(text, sizeof(text), file))
		name_end = strrchr(text, ')'); /* "PID (NAME) STATE ..." */
	(void)fclose(file); /* it was only read */
	return name_end && strncmp(name_end, ") R", 3) == 0;
}

/* The processes below one, at one moment. */
struct sight {
	uint64_t used_ns;
	bool running; /* one of them is running, or waits for a processor */
};

static bool see_children(pid_t parent, unsigned depth, struct sight *sight);

/* Children belong to the thread that created them. Returns false if the kernel does not list them.
 * */
static bool see_children_of_thread(pid_t parent, const char *thread, unsigned depth,
				   struct sight *sight)
{
	char path[320];
	FILE *list;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)parent, thread);
	list = fopen(path, "re");
	if (!list)
		return false;
	while (fscanf(list, "%d", &pid) == 1) {
		if (depth < DEPTH_MAX)
			(void)see_children(pid, depth + 1, sight); /* false: it has ended */
		sight->used_ns += time_of(pid) + 1; /* a new process also counts */
	}
	(void)fclose(list); /* it was only read */
	return true;
}

/* Examines all descendants of a process and, below the first level, their threads. */
static bool see_children(pid_t parent, unsigned depth, struct sight *sight)
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
		if (*entry->d_name == '.')
			continue;
		sight->running |= depth && thread_runs(parent, entry->d_name);
		any |= see_children_of_thread(parent, entry->d_name, depth, sight);
	}
	(void)closedir(tasks); /* it was only read */
	return any;
}

/*
 * Returns whether they have used no time since the last call. For a thread on another processor,
 * the kernel adds the used time only at its tick or when the thread sleeps. So the time of a thread
 * is complete only if it is read after the thread was seen not running.
 */
static bool look(struct hw_activity *activity, int64_t now_ns)
{
	struct sight sight = { 0 };

	if (!see_children(getpid(), 0, &sight))
		sight.used_ns = UINT64_MAX;
	if (sight.used_ns == activity->used_ns && sight.used_ns != UINT64_MAX)
		return !sight.running;
	activity->used_ns = sight.used_ns;
	activity->since_ns = now_ns;
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
	if (!look(activity, real_time_ns()))
		look_later(activity, 2 * activity->delay_ns);
}

struct hw_rest hw_activity_rest(struct hw_activity *activity)
{
	int64_t now_ns = real_time_ns();

	if (look(activity, now_ns))
		return (struct hw_rest){ activity->since_ns, now_ns };
	look_later(activity, DELAY_MIN_NS);
	return (struct hw_rest){ 0 };
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
	(void)look(activity, real_time_ns());
	look_later(activity, DELAY_MIN_NS);
}

void hw_activity_note_end(struct hw_activity *activity)
{
	(void)look(activity, real_time_ns());
}

void hw_activity_end(struct hw_activity *activity)
{
	hw_timer_set(activity->timer, 0);
}
