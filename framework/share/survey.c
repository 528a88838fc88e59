/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access.h"
#include "survey_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t hw_survey_lacking(const struct hw_survey_candidate *candidate)
{
	return candidate->quota ? candidate->wanted - candidate->directories : 0;
}

/* ---- mounts ---- */

/* Returns whether it or a directory above it is excluded. */
static bool is_below_excluded(const struct hw_surveying *s, const char *path, bool is_dir)
{
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
		if (hw_survey_is_excluded(s, path, (size_t)(slash - path), true))
			return true;
	return hw_survey_is_excluded(s, path, strlen(path), is_dir);
}

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
		s->survey->root = hw_survey_copy(s, path, strlen(path));
		root = strlen(path);
	}
	path += root;
	path += *path == '/';
	(void)fstatat(hw_disk_root(&s->share->disk), *path ? path : ".", &st,
		      AT_NO_AUTOMOUNT |
			      AT_SYMLINK_NOFOLLOW); /* on failure it counts as a directory */
	list[s->mount_count++] = (struct hw_survey_mount){
		.id = id,
		.path = hw_survey_copy(s, path, strlen(path)),
		.type = hw_survey_copy(s, type, strlen(type)),
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
		const struct hw_watcher *watcher =
			&s->share->watchers.list[s->share->watchers.order[i]];
		uint64_t part = candidate->directories ? candidate->directories : fs->directories;

		if (!candidate->works || !candidate->scans)
			continue;
		if (fs->directories)
			candidate->cost.scan_ns = (uint64_t)((double)fs->scan_ns * (double)part /
							     (double)fs->directories);
		if (fs->directories)
			candidate->cost.cpu_ns = (uint64_t)((double)fs->cpu_ns * (double)part /
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
	for (size_t i = last_tried(s->survey) + 1; i < s->share->watchers.order_count; i++) {
		struct hw_watcher *watcher = &s->share->watchers.list[s->share->watchers.order[i]];

		hw_instance_close(watcher->instance);
		watcher->state = HW_WATCHER_IDLE;
	}
}

/* ---- the survey ---- */

int hw_survey_share(struct hw_share *share, const struct hw_survey_how *how, struct hw_survey *ret)
{
	struct hw_surveying s = { .share = share, .how = how, .survey = ret };
	int r;

	*ret = (struct hw_survey){ 0 };
	r = hw_share_open(share);
	if (r < 0)
		return r;
	ret->linked = share->root.linked;
	r = hw_mounts_walk(share->root.path, add_mount, &s);
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
	free_paths(&survey->pseudo);
	free(survey->root);
	*survey = (struct hw_survey){ 0 };
}
