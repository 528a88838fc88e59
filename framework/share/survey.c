/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "survey.h"

#include "access.h"
#include "arm.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct surveying {
	struct hw_share *share;
	struct hw_survey *survey;
	struct hw_survey_filesystem *filesystem; /* of the decisions under way */
	bool no_memory;
};

static char *copy_of(struct surveying *s, const char *text)
{
	char *copy = strdup(text);

	s->no_memory |= !copy;
	return copy;
}

static void add_candidate(struct surveying *s, const struct hw_watcher *watcher, bool works,
			  const char *text)
{
	struct hw_survey_filesystem *fs = s->filesystem;

	fs->candidates[fs->count++] = (struct hw_survey_candidate){
		.name = watcher->instance->name,
		.works = works,
		.text = copy_of(s, text),
	};
}

static void refused(void *arg, const struct hw_watcher *watcher, const char *reason)
{
	add_candidate(arg, watcher, false, reason);
}

/* Each candidate in turn, by the decision that the share itself makes. */
static void try_candidates(struct surveying *s, int dirfd)
{
	struct hw_survey_filesystem *fs = s->filesystem;
	struct hw_share *share = s->share;
	uint8_t rank = 0;

	fs->first = share->order_count;
	while ((rank = hw_arm_next(share, rank, dirfd, refused, s)) < share->order_count) {
		const struct hw_watcher *watcher = &share->watchers[share->order[rank++]];

		if (fs->first == share->order_count)
			fs->first = fs->count;
		add_candidate(s, watcher, true, watcher->instance->reason);
	}
}

static int add_filesystem(struct surveying *s, const char *path, const char *type)
{
	struct hw_survey *survey = s->survey;
	struct hw_survey_filesystem *list =
		reallocarray(survey->filesystems, survey->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	survey->filesystems = list;
	s->filesystem = &list[survey->count++];
	*s->filesystem = (struct hw_survey_filesystem){
		.path = copy_of(s, path),
		.type = copy_of(s, type),
	};
	return 0;
}

static int on_mount(void *arg, uint64_t id, const char *path, const char *type)
{
	struct surveying *s = arg;
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	(void)id;
	if (fd < 0 &&
	    errno == ENOTDIR) /* a file mounted there is part of the directory around it */
		return 0;
	r = fd < 0 ? -errno : 0;
	if (add_filesystem(s, path, type) < 0)
		s->no_memory = true;
	else if (fd < 0)
		s->filesystem->error = r;
	else
		try_candidates(s, fd);
	if (fd >= 0)
		(void)close(fd); /* O_PATH */
	return s->no_memory ? -ENOMEM : 0;
}

int hw_survey_share(struct hw_share *share, struct hw_survey *ret)
{
	struct surveying s = { .share = share, .survey = ret };
	int r;

	*ret = (struct hw_survey){ 0 };
	r = hw_share_open(share);
	if (r < 0)
		return r;
	r = hw_mounts_walk(share->path, on_mount, &s);
	if (r < 0) {
		hw_access_explain_root(share, r, share->why, sizeof(share->why));
		hw_survey_free(ret);
	}
	return r;
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
	*survey = (struct hw_survey){ 0 };
}
