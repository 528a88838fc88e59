/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filesystems of a survey, their candidates, and the candidate that gets a directory. */
#include "arm.h"
#include "survey_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VISIT_MASK (STATX_BASIC_STATS | STATX_MNT_ID)

char *hw_survey_copy(struct hw_surveying *s, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		s->error = -ENOMEM;
	return copy;
}

void hw_survey_add_path(struct hw_surveying *s, struct hw_survey_paths *paths, const char *path,
			size_t len)
{
	if (paths->count < HW_SURVEY_PATHS_MAX)
		paths->paths[paths->count] = hw_survey_copy(s, path, len);
	paths->count++;
}

/* ---- excludes ---- */

/* Anchored patterns are compared with the whole path, others with the name. */
bool hw_survey_is_excluded(const struct hw_surveying *s, const char *path, size_t len, bool is_dir)
{
	const struct hw_filter *filter = &s->share->filter;
	const char *slash = memrchr(path, '/', len), *name = slash ? slash + 1 : path;

	if (!filter->count)
		return false;
	if (filter->anchored)
		return hw_filter_matches(filter, path, len, is_dir);
	return hw_filter_matches(filter, name, len - (size_t)(name - path), is_dir);
}

/* ---- directories ---- */

int hw_survey_open(struct hw_surveying *s, const char *path, size_t len,
		   struct hw_survey_visit *ret)
{
	int root = hw_disk_root(&s->share->disk), fd;
	struct statx stx;

	*ret = (struct hw_survey_visit){ .path = path, .len = len, .fd = -1 };
	if (len)
		fd = hw_open_beneath(root, path, len, O_PATH | O_DIRECTORY);
	else /* looking up "." needs search permission, the share does not */
		fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return len ? fd : -errno;
	if (statx(fd, "", AT_EMPTY_PATH, VISIT_MASK, &stx) < 0) {
		int error = errno;

		(void)close(fd); /* O_PATH */
		return -error;
	}
	ret->fd = fd;
	ret->mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
	ret->ino = stx.stx_ino;
	ret->dev = hw_statx_dev(&stx);
	return 0;
}

/* ---- candidates of a filesystem ---- */

struct trying {
	struct hw_surveying *s;
	struct hw_survey_filesystem *fs;
};

static struct hw_survey_candidate *add_candidate(const struct trying *trying,
						 const struct hw_watcher *watcher, const char *text)
{
	struct hw_survey_candidate *candidate = &trying->fs->candidates[trying->fs->count++];

	*candidate = (struct hw_survey_candidate){
		.name = watcher->instance->name,
		.scans = watcher->plugin->flags & HW_PLUGIN_SCANS,
		.text = hw_survey_copy(trying->s, text, strlen(text)),
		.cost = { .struct_size = sizeof(candidate->cost) },
	};
	return candidate;
}

static void refused(void *arg, const struct hw_watcher *watcher, const char *reason)
{
	(void)add_candidate(arg, watcher, reason);
}

static void accepted(const struct trying *trying, const struct hw_watcher *watcher, int dirfd)
{
	struct hw_survey_candidate *candidate =
		add_candidate(trying, watcher, watcher->instance->reason);

	candidate->works = true;
	watcher->plugin->cost(watcher->instance->self, dirfd, &candidate->cost);
	candidate->quota = hw_quotas_get(trying->s->how->quotas, &candidate->cost);
}

/* Tries each in turn, by the decision that the share itself makes. The index of a candidate is its
 * rank. */
static void try_candidates(struct hw_surveying *s, struct hw_survey_filesystem *fs, int dirfd)
{
	struct trying trying = { s, fs };
	struct hw_share *share = s->share;
	uint8_t rank = 0;

	fs->first = share->watchers.order_count;
	while ((rank = hw_arm_next(share, rank, dirfd, refused, &trying)) <
	       share->watchers.order_count) {
		if (fs->first == share->watchers.order_count)
			fs->first = rank;
		accepted(&trying, &share->watchers.list[share->watchers.order[rank]], dirfd);
		rank++;
	}
	if (fs->first < fs->count && fs->candidates[fs->first].quota)
		(void)hw_quota_claim(fs->candidates[fs->first].quota,
				     fs->candidates[fs->first]
					     .cost.per_filesystem); /* fits: the probe made one */
}

/* A share decides once for each filesystem, even if it is mounted at several places. */
static void copy_candidates(struct hw_surveying *s, struct hw_survey_filesystem *fs,
			    const struct hw_survey_filesystem *from)
{
	fs->first = from->first;
	for (; fs->count < from->count; fs->count++) {
		struct hw_survey_candidate *to = &fs->candidates[fs->count];

		*to = from->candidates[fs->count];
		to->text = to->text ? hw_survey_copy(s, to->text, strlen(to->text)) : NULL;
		to->wanted = to->directories = 0;
	}
}

/* ---- filesystems ---- */

static const char *type_of(const struct hw_surveying *s, uint64_t mount)
{
	for (size_t i = 0; i < s->mount_count && mount; i++)
		if (s->mounts[i].id == mount)
			return s->mounts[i].type;
	return "unknown";
}

static char *absolute(struct hw_surveying *s, const struct hw_survey_visit *visit)
{
	const char *root = strcmp(s->survey->root, "/") == 0 ? "" : s->survey->root;
	char *path = NULL;

	if (!visit->len)
		return hw_survey_copy(s, s->survey->root, strlen(s->survey->root));
	if (asprintf(&path, "%s/%.*s", root, (int)visit->len, visit->path) < 0) {
		s->error = -ENOMEM;
		return NULL;
	}
	return path;
}

static int add_filesystem(struct hw_surveying *s, const struct hw_survey_visit *visit)
{
	struct hw_survey *survey = s->survey;
	int index = hw_disk_filesystem(&s->share->disk, visit->dev);
	struct hw_survey_filesystem *list =
		reallocarray(survey->filesystems, survey->count + 1, sizeof(*list));
	const char *type = type_of(s, visit->mount);
	const struct hw_survey_filesystem *same = NULL;

	if (list)
		survey->filesystems = list;
	if (!list || index < 0)
		return list ? index : -ENOMEM;
	for (size_t i = 0; i < survey->count && !same; i++)
		if (list[i].index == index)
			same = &list[i];
	list += survey->count++;
	*list = (struct hw_survey_filesystem){
		.path = absolute(s, visit),
		.type = hw_survey_copy(s, type, strlen(type)),
		.mount = visit->mount,
		.index = index,
	};
	if (same)
		copy_candidates(s, list, same);
	else
		try_candidates(s, list, visit->fd);
	return (int)survey->count - 1;
}

int hw_survey_filesystem(struct hw_surveying *s, const struct hw_survey_visit *visit)
{
	int index = hw_disk_filesystem(&s->share->disk, visit->dev);

	for (size_t i = 0; i < s->survey->count; i++)
		if (s->survey->filesystems[i].index == index &&
		    s->survey->filesystems[i].mount == visit->mount)
			return (int)i;
	return add_filesystem(s, visit);
}

/* ---- the watcher of a directory ---- */

/* Returns whether the share can open the directory for reading. */
static bool is_ordinary(const struct hw_survey_visit *visit)
{
	return faccessat(visit->fd, ".", R_OK, AT_EACCESS) == 0;
}

static bool claim(struct hw_survey_candidate *candidate)
{
	uint64_t watches = candidate->cost.per_directory;

	return !watches || !candidate->quota || hw_quota_claim(candidate->quota, watches);
}

uint8_t hw_survey_take(struct hw_surveying *s, size_t index, uint8_t above,
		       const struct hw_survey_visit *visit, bool again)
{
	struct hw_survey_filesystem *fs = &s->survey->filesystems[index];
	bool ordinary = is_ordinary(visit), fell = above > fs->first;
	uint8_t from = fell ? above : (uint8_t)fs->first, rank;

	if (!ordinary)
		from = hw_arm_next(s->share, from, visit->fd, NULL, NULL);
	for (rank = (uint8_t)fs->first; rank < fs->count; rank++) {
		struct hw_survey_candidate *candidate = &fs->candidates[rank];

		/* A directory that is watched at another place can only be scanned here. */
		if (!candidate->works || (again && !candidate->scans))
			continue;
		/* It also lacks a watch for this one if it lacked one for a directory above. */
		candidate->wanted += rank >= from || (fell && ordinary);
		if (rank < from || !claim(candidate))
			continue;
		candidate->directories++;
		return rank;
	}
	fs->unwatched++;
	return rank;
}
