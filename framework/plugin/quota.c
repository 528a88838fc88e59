/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KCMP_FILE 0 /* linux/kcmp.h */
#define GROUPS_MAX 4096u /* descriptors remembered for comparison */

/* A descriptor with objects. After fork(2), several processes share it. */
struct group {
	pid_t pid;
	int fd;
	uint64_t objects;
};

struct counting {
	struct hw_quota *quota;
	const char *lines; /* as hw_watcher_cost.fdinfo */
	uid_t uid;
	char user_ns[64];
	struct group *groups; /* owned */
	size_t count;
};

/* ---- one descriptor ---- */

static bool begins_with_one(const char *line, const char *beginnings)
{
	while (*beginnings) {
		size_t len = strcspn(beginnings, "|");

		if (len && strncmp(line, beginnings, len) == 0)
			return true;
		beginnings += len + (beginnings[len] == '|');
	}
	return false;
}

static uint64_t count_objects(const char *path, const char *beginnings)
{
	FILE *file = fopen(path, "re");
	uint64_t objects = 0;
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return 0;
	while (getline(&line, &room, file) > 0)
		objects += begins_with_one(line, beginnings);
	free(line);
	(void)fclose(file); /* read only */
	return objects;
}

/* Compares only descriptors with the same number of objects, to save calls. */
static bool is_known(const struct counting *c, const struct group *group)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct group *other = &c->groups[i];

		if (other->objects == group->objects &&
		    syscall(SYS_kcmp, other->pid, group->pid, KCMP_FILE, other->fd, group->fd) == 0)
			return true;
	}
	return false;
}

static uint64_t count_group(struct counting *c, const struct group *group)
{
	if (!group->objects || is_known(c, group))
		return 0;
	if (c->count < GROUPS_MAX)
		c->groups[c->count++] = *group;
	return group->objects;
}

/* ---- one process ---- */

static uint64_t count_process(struct counting *c, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	uint64_t objects = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		struct group group = { .pid = pid, .fd = atoi(entry->d_name) };
		char name[64];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "/proc/%d/fdinfo/%d", (int)pid, group.fd);
		group.objects = count_objects(name, c->lines);
		objects += count_group(c, &group);
	}
	(void)closedir(dir); /* read only */
	return objects;
}

/* The kernel counts per effective user and user namespace. Processes that cannot be examined are
 * not counted. */
static bool counts_for_us(const struct counting *c, pid_t pid)
{
	char path[64], ns[sizeof(c->user_ns)] = "";
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) < 0 || st.st_uid != c->uid)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return readlink(path, ns, sizeof(ns) - 1) > 0 && strcmp(ns, c->user_ns) == 0;
}

static void note_holder(struct hw_quota *quota, pid_t pid, uint64_t objects)
{
	char path[64];
	FILE *file;

	quota->used += objects;
	if (objects <= quota->held)
		return;
	quota->held = objects;
	quota->holder = pid;
	quota->holder_name[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(quota->holder_name, sizeof(quota->holder_name), file))
		quota->holder_name[strcspn(quota->holder_name, "\n")] = '\0';
	(void)fclose(file); /* read only */
}

static void count_all(struct counting *c)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return;
	c->quota->counted = true;
	while ((entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && counts_for_us(c, (pid_t)pid))
			note_holder(c->quota, (pid_t)pid, count_process(c, (pid_t)pid));
	}
	(void)closedir(proc); /* read only */
}

static void count_used(struct hw_quota *quota, const char *lines)
{
	struct counting c = { .quota = quota, .lines = lines, .uid = geteuid() };

	c.groups = calloc(GROUPS_MAX, sizeof(*c.groups));
	if (c.groups && readlink("/proc/self/ns/user", c.user_ns, sizeof(c.user_ns) - 1) > 0)
		count_all(&c);
	free(c.groups);
}

/* ---- quotas ---- */

struct hw_quota *hw_quotas_get(struct hw_quotas *quotas, const struct hw_watcher_cost *cost)
{
	struct hw_quota *quota;

	if (!cost->limit || !cost->limit_name)
		return NULL;
	for (size_t i = 0; i < quotas->count; i++)
		if (strcmp(quotas->list[i].name, cost->limit_name) == 0)
			return &quotas->list[i];
	if (quotas->count == HW_QUOTAS_MAX)
		return NULL;
	quota = &quotas->list[quotas->count++];
	*quota = (struct hw_quota){ .name = cost->limit_name, .max = cost->limit };
	if (cost->fdinfo)
		count_used(quota, cost->fdinfo);
	return quota;
}

uint64_t hw_quota_left(const struct hw_quota *quota)
{
	uint64_t gone = quota->used + quota->claimed;

	return gone < quota->max ? quota->max - gone : 0;
}

bool hw_quota_claim(struct hw_quota *quota, uint64_t count)
{
	if (count > hw_quota_left(quota))
		return false;
	quota->claimed += count;
	return true;
}
