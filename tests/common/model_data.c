/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps track of the data of files. */
#include "model_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)
#define REPORT_MAX 10u

static int64_t to_ns(const struct timespec *time)
{
	return (int64_t)((uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec);
}

static struct data read_fd(int fd)
{
	struct data data = { .hash = FNV_BASIS };
	unsigned char bytes[4096];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return data;
	while ((len = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < len; i++)
			data.hash = (data.hash ^ bytes[i]) * FNV_PRIME;
	data.known = len == 0;
	data.ino = st.st_ino;
	data.size = st.st_size;
	data.mtime_ns = to_ns(&st.st_mtim);
	data.ctime_ns = to_ns(&st.st_ctim);
	return data;
}

static struct data read_node(const struct hw_model *model, const struct node *node)
{
	char *below = hw_model_path(node), *path = NULL;
	struct data data = { 0 };
	int fd = -1;

	/* O_NONBLOCK: the name may refer to a FIFO now. */
	if (below && asprintf(&path, "%s/%s", model->look, below) >= 0)
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		data = read_fd(fd);
		(void)close(fd); /* only read */
	}
	free(path);
	free(below);
	return data;
}

void hw_model_read(const struct hw_model *model, struct node *node)
{
	if (model->look && node->type == HW_TYPE_FILE)
		node->data = read_node(model, node);
}

void hw_model_read_always(struct hw_model *model)
{
	model->read_always = true;
}

void hw_model_read_strangers(const struct hw_model *model, struct node *node)
{
	struct node *child, *next;

	if (!model->look)
		return;
	if (node->type == HW_TYPE_FILE) {
		struct data now = read_node(model, node);

		if (model->read_always || !node->data.known || node->data.ino != now.ino)
			node->data = now;
	}
	HASH_ITER (hh, node->children, child, next)
		hw_model_read_strangers(model, child);
}

static bool is_among(const ino_t *inodes, size_t count, ino_t ino)
{
	for (size_t i = 0; i < count; i++)
		if (inodes[i] == ino)
			return true;
	return false;
}

/* Returns whether a change was reported that nothing made. The disk is ahead of the events: the
 * change may be that of the file that had the name then, or of the one that it was reported for. */
static bool is_invented(const struct node *node, const struct data *now,
			const struct hw_model_written *written)
{
	return node->modified && (written->strict || !node->created) &&
	       !is_among(written->inodes, written->count, now->ino) &&
	       !is_among(written->inodes, written->count, node->modified_ino);
}

static const char *judge(const struct node *node, const struct data *now,
			 const struct hw_model_written *written,
			 const struct hw_model_excuse *excuse)
{
	const struct data *then = &node->data;

	if (!now->known || is_among(excuse->inodes, excuse->inode_count, now->ino))
		return NULL;
	if (is_invented(node, now, written))
		return "was reported as changed, and nothing wrote to it";
	if (!then->known || then->ino != now->ino || then->hash == now->hash)
		return NULL;
	/* A scan cannot distinguish two states with the same size and time. */
	if (excuse->strangers && then->size == now->size && then->mtime_ns == now->mtime_ns)
		return NULL;
	return "has other data than when a change of it was last reported";
}

static size_t check_dir(const struct hw_model *model, const struct node *dir,
			const struct hw_model_written *written,
			const struct hw_model_excuse *excuse, FILE *out)
{
	struct node *node, *next;
	size_t wrong = 0;

	HASH_ITER (hh, dir->children, node, next) {
		const struct data now =
			node->type == HW_TYPE_FILE ? read_node(model, node) : (struct data){ 0 };
		const char *what = judge(node, &now, written, excuse);
		char *path = what && wrong < REPORT_MAX ? hw_model_path(node) : NULL;

		if (path)
			fprintf(out, "  %s (inode %ju) %s\n", path, (uintmax_t)now.ino, what);
		free(path);
		wrong += what != NULL;
		wrong += check_dir(model, node, written, excuse, out);
	}
	return wrong;
}

size_t hw_model_check_data(const struct hw_model *model, const struct hw_model_written *written,
			   const struct hw_model_excuse *excuse, FILE *out)
{
	return model->look ? check_dir(model, &model->root, written, excuse, out) : 0;
}

/* A scan cannot distinguish two states with the same size and times. */
static bool looks_same(const struct data *a, const struct data *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static size_t check_announced(const struct hw_model *model, const struct node *dir, FILE *out)
{
	struct node *node, *next;
	size_t wrong = 0;

	HASH_ITER (hh, dir->children, node, next) {
		const struct data now =
			node->type == HW_TYPE_FILE ? read_node(model, node) : (struct data){ 0 };
		bool differs = now.known && node->data.known && node->data.ino == now.ino &&
			       node->data.hash != now.hash && !looks_same(&node->data, &now);
		char *path = differs && wrong < REPORT_MAX ? hw_model_path(node) : NULL;

		if (path)
			fprintf(out,
				"  %s (inode %ju) has other data than at its last event: size %jd, "
				"mtime %lld, ctime %lld ns then, %jd, %lld, %lld ns now\n",
				path, (uintmax_t)now.ino, (intmax_t)node->data.size,
				(long long)node->data.mtime_ns, (long long)node->data.ctime_ns,
				(intmax_t)now.size, (long long)now.mtime_ns,
				(long long)now.ctime_ns);
		free(path);
		wrong += differs;
		wrong += check_announced(model, node, out);
	}
	return wrong;
}

size_t hw_model_check_announced(const struct hw_model *model, FILE *out)
{
	return check_announced(model, &model->root, out);
}
