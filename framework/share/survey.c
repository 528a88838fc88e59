/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access.h"
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

static char *copy_of(struct hw_surveying *s, const char *text, size_t len)
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
		paths->paths[paths->count] = copy_of(s, path, len);
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

/* Itself or a directory above it. */
static bool is_below_excluded(const struct hw_surveying *s, const char *path, bool is_dir)
{
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
		if (hw_survey_is_excluded(s, path, (size_t)(slash - path), true))
			return true;
	return hw_survey_is_excluded(s, path, strlen(path), is_dir);
}

/* ---- directories ---- */

int hw_survey_open(struct hw_surveying *s, const char *path, size_t len,
		   struct hw_survey_visit *ret)
{
	int root = s->share->disk.root, fd;
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
		.text = copy_of(trying->s, text, strlen(text)),
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

	fs->first = share->order_count;
	while ((rank = hw_arm_next(share, rank, dirfd, refused, &trying)) < share->order_count) {
		if (fs->first == share->order_count)
			fs->first = rank;
		accepted(&trying, &share->watchers[share->order[rank]], dirfd);
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
		to->text = to->text ? copy_of(s, to->text, strlen(to->text)) : NULL;
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
		return copy_of(s, s->survey->root, strlen(s->survey->root));
	if (asprintf(&path, "%s/%.*s", root, (int)visit->len, visit->path) < 0) {
		s->error = -ENOMEM;
		return NULL;
	}
	return path;
}

static int add_filesystem(struct hw_surveying *s, const struct hw_survey_visit *visit)
{
	struct hw_survey *survey = s->survey;
	int index = hw_disk_filesystem(&s->share->disk, visit->dev, -1);
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
		.type = copy_of(s, type, strlen(type)),
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
	int index = hw_disk_filesystem(&s->share->disk, visit->dev, -1);

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

uint64_t hw_survey_lacking(const struct hw_survey_candidate *candidate)
{
	return candidate->quota ? candidate->wanted - candidate->directories : 0;
}

/* ---- mounts ---- */

static int add_mount(void *arg, uint64_t id, const char *path, const char *type)
{
	struct hw_surveying *s = arg;
	size_t root = s->survey->root ? strlen(s->survey->root) : 0;
	struct hw_survey_mount *list = reallocarray(s->mounts, s->mount_count + 1, sizeof(*list));
	struct stat st = { 0 };

	if (!list)
		return -ENOMEM;
	s->mounts = list;
	if (!s->survey->root) { /* the first is the root itself */
		s->survey->root = copy_of(s, path, strlen(path));
		root = strlen(path);
	}
	path += root;
	path += *path == '/';
	(void)fstatat(s->share->disk.root, *path ? path : ".", &st,
		      AT_NO_AUTOMOUNT |
			      AT_SYMLINK_NOFOLLOW); /* on failure it counts as a directory */
	list[s->mount_count++] = (struct hw_survey_mount){
		.id = id,
		.path = copy_of(s, path, strlen(path)),
		.type = copy_of(s, type, strlen(type)),
		.is_file = st.st_mode && !S_ISDIR(st.st_mode),
		.dev = st.st_dev,
	};
	return s->error;
}

static void find_repeated(struct hw_surveying *s)
{
	for (size_t i = 0; i < s->mount_count; i++)
		for (size_t j = 0; j < s->mount_count; j++)
			if (i != j && s->mounts[i].dev == s->mounts[j].dev)
				s->mounts[i].repeated = true;
}

static void note_files(struct hw_surveying *s)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		const struct hw_survey_mount *mount = &s->mounts[i];

		if (mount->is_file && !is_below_excluded(s, mount->path, false))
			hw_survey_add_path(s, &s->survey->files, mount->path, strlen(mount->path));
	}
}

/* Without counting: visits only the places where filesystems are mounted. */
static void visit_mounts(struct hw_surveying *s)
{
	for (size_t i = 0; i < s->mount_count && s->error == 0; i++) {
		const struct hw_survey_mount *mount = &s->mounts[i];
		struct hw_survey_visit visit;
		int fs;

		if (mount->is_file || (*mount->path && is_below_excluded(s, mount->path, true)))
			continue;
		if (hw_survey_open(s, mount->path, strlen(mount->path), &visit) < 0) {
			hw_survey_add_path(s, &s->survey->unreadable, mount->path,
					   strlen(mount->path));
			continue;
		}
		fs = hw_survey_filesystem(s, &visit);
		(void)close(visit.fd); /* O_PATH */
		if (fs < 0)
			s->error = fs;
	}
}

static void free_mounts(struct hw_surveying *s)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		free(s->mounts[i].path);
		free(s->mounts[i].type);
	}
	free(s->mounts);
}

/* ---- costs ---- */

/* Asks for the costs of scanning again, now that the time of a scan is known. */
static void update_costs(struct hw_surveying *s, struct hw_survey_filesystem *fs)
{
	size_t root = strlen(s->survey->root);
	const char *path = strlen(fs->path) > root ? fs->path + root : "";
	struct hw_survey_visit visit;

	path += *path == '/';
	if (hw_survey_open(s, path, strlen(path), &visit) < 0)
		return; /* it no longer exists */
	for (size_t i = 0; i < fs->count; i++) {
		struct hw_survey_candidate *candidate = &fs->candidates[i];
		const struct hw_watcher *watcher = &s->share->watchers[s->share->order[i]];
		uint64_t part = candidate->directories ? candidate->directories : fs->directories;

		if (!candidate->works || !candidate->scans)
			continue;
		if (fs->directories)
			candidate->cost.scan_ns = (uint64_t)((double)fs->scan_ns * (double)part /
							     (double)fs->directories);
		watcher->plugin->cost(watcher->instance->self, visit.fd, &candidate->cost);
	}
	(void)close(visit.fd); /* O_PATH */
}

/* ---- watchers that a start would not start ---- */

/* The last candidate that the share would try. */
static size_t last_tried(const struct hw_survey *survey)
{
	size_t last = 0;

	for (size_t i = 0; i < survey->count; i++) {
		const struct hw_survey_filesystem *fs = &survey->filesystems[i];

		for (size_t j = last; j < fs->count; j++)
			if (j <= fs->first || fs->candidates[j].directories)
				last = j;
	}
	return last;
}

/* The watchers after the last one were started only to find out whether they work. Frees what they
 * hold for the next share. */
static void close_untried(struct hw_surveying *s)
{
	for (size_t i = last_tried(s->survey) + 1; i < s->share->order_count; i++) {
		struct hw_watcher *watcher = &s->share->watchers[s->share->order[i]];

		hw_instance_close(watcher->instance);
		watcher->state = HW_WATCHER_IDLE;
	}
}

/* ---- the whole ---- */

int hw_survey_share(struct hw_share *share, const struct hw_survey_how *how, struct hw_survey *ret)
{
	struct hw_surveying s = { .share = share, .how = how, .survey = ret };
	int r;

	*ret = (struct hw_survey){ 0 };
	r = hw_share_open(share);
	if (r < 0)
		return r;
	r = hw_mounts_walk(share->path, add_mount, &s);
	if (r == 0) {
		find_repeated(&s);
		note_files(&s);
		if (how->count)
			hw_survey_walk(&s);
		else
			visit_mounts(&s);
		for (size_t i = 0; i < ret->count && s.error == 0; i++)
			update_costs(&s, &ret->filesystems[i]);
		close_untried(&s);
		r = s.error;
	}
	free_mounts(&s);
	if (r < 0)
		hw_access_explain_root(share, r, share->why, sizeof(share->why));
	return r;
}

static void free_paths(struct hw_survey_paths *paths)
{
	for (size_t i = 0; i < HW_SURVEY_PATHS_MAX; i++)
		free(paths->paths[i]);
}

void hw_survey_free(struct hw_survey *survey)
{
	for (size_t i = 0; i < survey->count; i++) {
		struct hw_survey_filesystem *fs = &survey->filesystems[i];

		for (size_t j = 0; j < fs->count; j++)
			free(fs->candidates[j].text);
		free(fs->path);
		free(fs->type);
	}
	free(survey->filesystems);
	free_paths(&survey->unreadable);
	free_paths(&survey->files);
	free_paths(&survey->loops);
	free(survey->root);
	*survey = (struct hw_survey){ 0 };
}
