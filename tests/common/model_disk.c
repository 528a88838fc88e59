/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model and the disk: loads the entries on disk, stats reported entries, and compares
 * models. */
#include "model_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MAX 10u

static uint8_t type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return HW_TYPE_FILE;
	case S_IFDIR:
		return HW_TYPE_DIR;
	case S_IFLNK:
		return HW_TYPE_SYMLINK;
	default:
		return HW_TYPE_OTHER;
	}
}

char *hw_model_path(const struct node *node)
{
	size_t len = 0;

	for (const struct node *n = node; n->parent; n = n->parent)
		len += n->name_len + 1;
	char *path = malloc(len + 1);
	if (!path)
		return NULL;
	char *end = path + len;
	*end = '\0';
	for (const struct node *n = node; n->parent; n = n->parent) {
		end -= n->name_len;
		memcpy(end, n->name, n->name_len);
		if (n->parent->parent)
			*--end = '/';
	}
	/* Removes the leading slash. */
	if (len)
		memmove(path, path + 1, len);
	return path;
}

static struct hw_model_belief see(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return (struct hw_model_belief){ 0 };
	struct hw_model_belief belief = { .known = true,
					  .ino = st.st_ino,
					  .mode = st.st_mode,
					  .uid = st.st_uid,
					  .gid = st.st_gid };
	if (S_ISREG(st.st_mode)) {
		belief.size = st.st_size;
		belief.mtime_ns = (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000u +
					    (uint64_t)st.st_mtim.tv_nsec);
	}
	return belief;
}

static struct hw_model_belief see_node(const struct hw_model *model, const struct node *node)
{
	struct hw_model_belief belief = { 0 };
	char *below = hw_model_path(node), *path = NULL;

	if (below && asprintf(&path, "%s/%s", model->look, below) >= 0)
		belief = see(AT_FDCWD, path);
	free(path);
	free(below);
	return belief;
}

void hw_model_observe(const struct hw_model *model, struct node *node)
{
	if (model->look)
		node->belief = see_node(model, node);
}

void hw_model_observe_below(const struct hw_model *model, struct node *node)
{
	struct node *child, *next;

	if (!model->look)
		return;
	hw_model_observe(model, node);
	HASH_ITER (hh, node->children, child, next)
		hw_model_observe_below(model, child);
}

/* The model to fill, and the patterns to exclude. */
struct load {
	struct hw_model *model;
	const char *const *excludes; /* borrowed */
	size_t exclude_count;
};

/* Does not use the matcher of the product, in order to check it. */
static bool is_excluded(const struct load *load, const struct node *dir, const char *name)
{
	char *parent = hw_model_path(dir), *path = NULL;
	bool found = false;

	if (!parent || asprintf(&path, "/%s%s%s", parent, *parent ? "/" : "", name) < 0)
		abort();
	for (size_t i = 0; i < load->exclude_count && !found; i++) {
		const char *pattern = load->excludes[i];

		found = !fnmatch(pattern, *pattern == '/' ? path : name, FNM_PATHNAME);
	}
	free(path);
	free(parent);
	return found;
}

static int load_dir(const struct load *load, struct node *dir, int fd);

static int load_entry(const struct load *load, struct node *dir, int fd, const char *name)
{
	struct stat st;

	if (is_excluded(load, dir, name))
		return 0;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	struct node *node = hw_model_add(load->model, dir, name, strlen(name), type_of(st.st_mode));
	if (!node)
		return -ENOMEM;
	node->belief = see(fd, name);
	if (node->type != HW_TYPE_DIR)
		return 0;
	int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return below < 0 ? -errno : load_dir(load, node, below);
}

/* Takes ownership of fd. */
static int load_dir(const struct load *load, struct node *dir, int fd)
{
	DIR *stream = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!stream) {
		r = -errno;
		(void)close(fd); /* nothing was written */
		return r;
	}
	while (!r && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = load_entry(load, dir, fd, entry->d_name);
	(void)closedir(stream); /* nothing was written */
	return r;
}

int hw_model_load_but(struct hw_model *model, const char *root, const char *const *excludes,
		      size_t exclude_count)
{
	const struct load load = { model, excludes, exclude_count };

	for (size_t i = 0; i < exclude_count; i++)
		if (*excludes[i] == '!' || strstr(excludes[i], "**") ||
		    (*excludes[i] != '/' && strchr(excludes[i], '/')))
			return -EINVAL;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : load_dir(&load, &model->root, fd);
}

int hw_model_load(struct hw_model *model, const char *root)
{
	return hw_model_load_but(model, root, NULL, 0);
}

static void report(FILE *out, size_t count, const struct node *node, const char *what)
{
	char *path = count < REPORT_MAX ? hw_model_path(node) : NULL;

	if (path) {
		fputs("  \"", out);
		for (const char *p = path; *p; p++)
			fprintf(out, *p < ' ' || *p > '~' ? "\\x%02x" : "%c", (unsigned char)*p);
		fprintf(out, "\" %s\n", what);
	}
	free(path);
}

static size_t compare_dir(const struct node *told, const struct node *truth, FILE *out,
			  size_t count)
{
	struct node *a, *b, *next;

	HASH_ITER (hh, told->children, a, next) {
		b = hw_model_child(truth, a->name, a->name_len);
		if (b && b->type == a->type)
			count = compare_dir(a, b, out, count);
		else
			report(out, count++, a,
			       b ? "was told with another type" : "was told, but is not there");
	}
	HASH_ITER (hh, truth->children, b, next)
		if (!hw_model_child(told, b->name, b->name_len))
			report(out, count++, b, "is there, but was never told");
	return count;
}

size_t hw_model_compare(const struct hw_model *told, const struct hw_model *truth, FILE *out)
{
	return compare_dir(&told->root, &truth->root, out, 0);
}

static bool has_other_attributes(const struct hw_model_belief *then,
				 const struct hw_model_belief *now)
{
	return then->mode != now->mode || then->uid != now->uid || then->gid != now->gid;
}

static bool has_other_data(const struct hw_model_belief *then, const struct hw_model_belief *now)
{
	return then->size != now->size || then->mtime_ns != now->mtime_ns;
}

static const char *differs(const struct hw_model_belief *then, const struct hw_model_belief *now)
{
	if (!now->known)
		return "is not there";
	if (!then->known)
		return "was gone when it was last told of";
	if (has_other_attributes(then, now))
		return "changed its mode or owner since it was last told of";
	if (has_other_data(then, now))
		return "changed its data since it was last told of";
	return NULL;
}

static bool had(const struct hw_model_excuse *excuse, const struct hw_model_belief *now)
{
	for (size_t i = 0; i < excuse->had_count; i++) {
		const struct hw_model_attributes *h = &excuse->had[i];

		if (h->ino == now->ino && h->mode == now->mode && h->uid == now->uid &&
		    h->gid == now->gid)
			return true;
	}
	return false;
}

static bool is_excused(const struct hw_model_excuse *excuse, const struct hw_model_belief *then,
		       const struct hw_model_belief *now)
{
	if (excuse->strangers && now->known && (!then->known || then->ino != now->ino))
		return true;
	for (size_t i = 0; i < excuse->inode_count; i++)
		if (excuse->inodes[i] == now->ino)
			return true;
	return now->known && then->ino == now->ino && !has_other_data(then, now) &&
	       had(excuse, now);
}

static void report_state(FILE *out, const char *when, const struct hw_model_belief *belief)
{
	fprintf(out, "    %s: inode %ju, mode %jo, owner %ju:%ju, size %jd, mtime %lld ns\n", when,
		(uintmax_t)belief->ino, (uintmax_t)belief->mode, (uintmax_t)belief->uid,
		(uintmax_t)belief->gid, (intmax_t)belief->size, (long long)belief->mtime_ns);
}

static void report_stale(FILE *out, size_t count, const struct node *node, const char *what,
			 const struct hw_model_belief *now)
{
	report(out, count, node, what);
	if (count >= REPORT_MAX)
		return;
	report_state(out, "when it was told", &node->belief);
	report_state(out, "now", now);
}

static size_t check_dir(const struct hw_model *model, const struct node *dir,
			const struct hw_model_excuse *excuse, FILE *out, size_t count)
{
	struct node *node, *next;

	HASH_ITER (hh, dir->children, node, next) {
		struct hw_model_belief now = see_node(model, node);
		const char *what = differs(&node->belief, &now);

		if (what && !is_excused(excuse, &node->belief, &now))
			report_stale(out, count++, node, what, &now);
		count = check_dir(model, node, excuse, out, count);
	}
	return count;
}

size_t hw_model_check_beliefs_but(const struct hw_model *model,
				  const struct hw_model_excuse *excuse, FILE *out)
{
	return model->look ? check_dir(model, &model->root, excuse, out, 0) : 0;
}

size_t hw_model_check_beliefs(const struct hw_model *model, FILE *out)
{
	const struct hw_model_excuse none = { 0 };

	return hw_model_check_beliefs_but(model, &none, out);
}
