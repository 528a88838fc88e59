/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "view.h"
#include "negative.h"
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utlist.h>

#define FOR_EVER UINT32_MAX
#define OPEN_MAX 512u

int hw_view_init(struct hw_view *view, int root_fd, unsigned descriptors)
{
	struct stat st;

	*view = (struct hw_view){ .lock = PTHREAD_MUTEX_INITIALIZER, .files_max = descriptors / 4 };
	(void)pthread_cond_init(&view->wrote, NULL);
	view->open_max = descriptors / 8 < OPEN_MAX ? descriptors / 8 : OPEN_MAX;
	view->root = (struct hw_node){ .path_fd = root_fd, .data_fd = -1, .refs = FOR_EVER };
	view->hidden = (struct hw_node){ .path_fd = -1, .data_fd = -1, .refs = FOR_EVER };
	view->hidden.is_ghost = true;
	view->hidden.ghost.st_mode = S_IFDIR | 0700;
	view->hidden.ghost.st_nlink = 2;
	view->hidden.ghost.st_ino = (ino_t)(uintptr_t)&view->hidden;
	if (fstat(root_fd, &st) < 0)
		return -errno;
	view->root.key.dev = st.st_dev;
	view->root.key.ino = st.st_ino;
	HASH_ADD(hh, view->nodes, key, sizeof(view->root.key), &view->root);
	return 0;
}

void hw_view_lock(struct hw_view *view)
{
	(void)pthread_mutex_lock(&view->lock);
}

void hw_view_unlock(struct hw_view *view)
{
	(void)pthread_mutex_unlock(&view->lock);
}

/* ---- nodes ---- */

static bool is_permanent(const struct hw_view *view, const struct hw_node *node)
{
	return node == &view->root || node == &view->hidden;
}

static void close_node(struct hw_node *node)
{
	if (node->data_fd >= 0)
		(void)close(node->data_fd); /* data is written without delay */
	if (node->path_fd >= 0)
		(void)close(node->path_fd); /* O_PATH: nothing to lose */
}

static void drop_path(struct hw_view *view, struct hw_node *node)
{
	DL_DELETE2(view->files, node, path_prev, path_next);
	view->file_count--;
	(void)close(node->path_fd); /* as above */
	node->path_fd = -1;
}

/* A directory keeps its descriptor: the calls about names below it need one. */
static void set_path(struct hw_view *view, struct hw_node *node, int fd, mode_t mode)
{
	struct hw_node *old, *next;

	node->path_fd = fd;
	node->is_file = !S_ISDIR(mode);
	if (!node->is_file)
		return;
	DL_APPEND2(view->files, node, path_prev, path_next);
	view->file_count++;
	for (old = view->files; old && view->file_count > view->files_max; old = next) {
		next = old->path_next;
		/* without a name, it could not be opened again */
		if (old != node && !old->path_users && old->names && !old->gone)
			drop_path(view, old);
	}
}

struct hw_node *hw_node_get(struct hw_view *view, int path_fd, const struct stat *st)
{
	struct hw_node_key key;
	struct hw_node *node;

	memset(&key, 0, sizeof(key));
	key.dev = st->st_dev;
	key.ino = st->st_ino;
	HASH_FIND(hh, view->nodes, &key, sizeof(key), node);
	if (node && node->path_fd < 0) {
		set_path(view, node, path_fd, st->st_mode);
		return node;
	}
	if (node) {
		(void)close(path_fd); /* as above */
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		(void)close(path_fd);
		return NULL;
	}
	node->path_fd = node->data_fd = -1;
	node->key = key;
	HASH_ADD(hh, view->nodes, key, sizeof(node->key), node);
	set_path(view, node, path_fd, st->st_mode);
	return node;
}

struct hw_node *hw_node_ghost(mode_t mode)
{
	struct hw_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->path_fd = node->data_fd = -1;
	node->is_ghost = true;
	node->ghost.st_mode = mode;
	node->ghost.st_nlink = S_ISDIR(mode) ? 2 : 1;
	node->ghost.st_ino = (ino_t)(uintptr_t)node;
	return node;
}

static int take_path(struct hw_view *view, struct hw_node *node)
{
	if (node->is_file) {
		DL_DELETE2(view->files, node, path_prev, path_next);
		view->file_count--;
	}
	return node->path_fd;
}

struct hw_node *hw_node_adopt(struct hw_view *view, struct hw_node *ghost, struct hw_node *real)
{
	if (real->lookups || real->refs > 1 || real->names)
		return real;
	HASH_DELETE(hh, view->nodes, real);
	ghost->key = real->key;
	ghost->is_ghost = false;
	HASH_ADD(hh, view->nodes, key, sizeof(ghost->key), ghost);
	if (real->path_fd >= 0)
		set_path(view, ghost, take_path(view, real), real->is_file ? S_IFREG : S_IFDIR);
	free(real);
	return ghost;
}

void hw_node_hold(struct hw_node *node)
{
	if (node->refs != FOR_EVER)
		node->refs++;
}

static void remove_name(struct hw_view *view, struct hw_name *name);

/* Frees the node if nothing refers to it. Names do not keep a node: they only remember it. */
static void reap(struct hw_view *view, struct hw_node *node)
{
	if (node->lookups || node->refs || is_permanent(view, node))
		return;
	node->refs = FOR_EVER; /* not a second time */
	while (node->names) {
		node->names->parent->listed = false; /* one of its names is forgotten */
		remove_name(view, node->names);
	}
	hw_negative_forget(view, node);
	(void)hw_node_close_data(view, node); /* no request has a reference */
	if (!node->is_ghost)
		HASH_DELETE(hh, view->nodes, node);
	if (node->path_fd >= 0)
		(void)close(take_path(view, node)); /* O_PATH: nothing to lose */
	free(node);
}

void hw_node_put(struct hw_view *view, struct hw_node *node)
{
	if (node->refs == FOR_EVER)
		return;
	node->refs--;
	reap(view, node);
}

void hw_node_forget(struct hw_view *view, struct hw_node *node, uint64_t lookups)
{
	if (is_permanent(view, node))
		return;
	node->lookups -= lookups < node->lookups ? lookups : node->lookups;
	reap(view, node);
}

bool hw_node_close_data(struct hw_view *view, struct hw_node *node)
{
	if (node->data_users)
		return false;
	if (node->data_fd < 0)
		return true;
	(void)close(node->data_fd); /* write(2) has reported its errors */
	node->data_fd = -1;
	node->data_writable = false;
	DL_DELETE2(view->open, node, open_prev, open_next);
	view->open_count--;
	return true;
}

void hw_node_set_data(struct hw_view *view, struct hw_node *node, int fd, bool writable)
{
	struct hw_node *old, *next;

	node->data_fd = fd;
	node->data_writable = writable;
	DL_APPEND2(view->open, node, open_prev, open_next);
	view->open_count++;
	for (old = view->open; old && view->open_count > view->open_max; old = next) {
		next = old->open_next;
		(void)hw_node_close_data(view, old); /* it may be in use */
	}
}

int hw_fresh_stat(int path_fd, struct stat *ret)
{
	struct statx stx;

	/* The lower filesystem may have attributes that it would not ask for again. */
	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	*ret = (struct stat){
		.st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
		.st_ino = stx.stx_ino,
		.st_mode = stx.stx_mode,
		.st_nlink = stx.stx_nlink,
		.st_uid = stx.stx_uid,
		.st_gid = stx.stx_gid,
		.st_rdev = makedev(stx.stx_rdev_major, stx.stx_rdev_minor),
		.st_size = (off_t)stx.stx_size,
		.st_blksize = (blksize_t)stx.stx_blksize,
		.st_blocks = (blkcnt_t)stx.stx_blocks,
		.st_atim = { stx.stx_atime.tv_sec, stx.stx_atime.tv_nsec },
		.st_mtim = { stx.stx_mtime.tv_sec, stx.stx_mtime.tv_nsec },
		.st_ctim = { stx.stx_ctime.tv_sec, stx.stx_ctime.tv_nsec },
	};
	return 0;
}

/* Writes the path of a name below the root, from its end. Returns its start, or NULL. */
static const char *path_of(const struct hw_view *view, const struct hw_name *name,
			   char buf[PATH_MAX])
{
	char *at = buf + PATH_MAX - 1;
	size_t len;

	for (*at = '\0'; name; name = name->parent->names) {
		len = name->len - sizeof(void *);
		if ((size_t)(at - buf) < len + 1)
			return NULL;
		if (*at)
			*--at = '/';
		at -= len;
		memcpy(at, name->key + sizeof(void *), len);
		if (name->parent == &view->root)
			return at;
	}
	return NULL;
}

size_t hw_view_path(const struct hw_view *view, const struct hw_node *parent, const char *name,
		    char buf[HW_VIEW_PATH_MAX])
{
	const size_t name_len = strlen(name);
	char dir[PATH_MAX];
	const char *path = parent == &view->root ? "" : path_of(view, parent->names, dir);
	size_t len;

	if (!path || (parent != &view->root && !*path))
		return 0;
	len = strlen(path);
	if (len + 1 + name_len >= HW_VIEW_PATH_MAX)
		return 0;
	memcpy(buf, path, len);
	if (len)
		buf[len++] = '/';
	memcpy(buf + len, name, name_len);
	return len + name_len;
}

size_t hw_view_depth(const struct hw_view *view, const struct hw_node *parent)
{
	size_t depth = 0;

	for (; parent != &view->root && parent->names && depth < PATH_MAX; depth++)
		parent = parent->names->parent;
	return depth;
}

static int open_again(struct hw_view *view, const struct hw_node *node, const struct hw_name *name)
{
	char buf[PATH_MAX];
	const char *path = path_of(view, name, buf);
	struct stat st;
	int fd = -1;

	if (path)
		fd = openat(view->root.path_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -ESTALE;
	if (fstat(fd, &st) == 0 && st.st_dev == node->key.dev && st.st_ino == node->key.ino)
		return fd;
	(void)close(fd); /* as above */
	return -ESTALE;
}

int hw_node_open(struct hw_view *view, struct hw_node *node)
{
	const struct hw_name *name;
	int fd = -ESTALE;

	if (node->is_ghost)
		return -ENOENT;
	if (node->path_fd >= 0)
		return node->path_fd;
	DL_FOREACH (node->names, name) {
		fd = open_again(view, node, name);
		if (fd >= 0)
			break;
	}
	if (fd >= 0)
		set_path(view, node, fd, S_IFREG);
	return fd;
}

void hw_node_keep_link(const struct hw_node *node, struct stat *st)
{
	if (!st->st_nlink && !node->gone)
		st->st_nlink = S_ISDIR(st->st_mode) ? 2 : 1;
}

int hw_node_stat(struct hw_view *view, struct hw_node *node, struct stat *ret)
{
	int fd, r;

	if (node->is_ghost) {
		*ret = node->ghost;
		return 0;
	}
	fd = hw_node_open(view, node);
	if (fd < 0)
		return fd;
	r = hw_fresh_stat(fd, ret);
	if (r < 0)
		return r;
	hw_node_keep_link(node, ret);
	return 0;
}

/* ---- names ---- */

size_t hw_name_key(unsigned char key[HW_NAME_KEY_MAX], const struct hw_node *parent,
		   const char *name)
{
	size_t len = strlen(name);

	if (len > NAME_MAX)
		return 0;
	memcpy(key, &parent, sizeof(parent));
	memcpy(key + sizeof(parent), name, len + 1);
	return sizeof(parent) + len;
}

static struct hw_name *find_name(struct hw_view *view, const struct hw_node *parent,
				 const char *name)
{
	struct hw_name *found;

	HW_NAME_FIND(view->names, parent, name, found);
	return found;
}

static void remove_name(struct hw_view *view, struct hw_name *name)
{
	struct hw_node *parent = name->parent;

	HASH_DELETE(hh, view->names, name);
	DL_DELETE(name->node->names, name);
	free(name);
	hw_node_put(view, parent);
}

struct hw_node *hw_view_find(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	struct hw_name *found = find_name(view, parent, name);

	return found ? found->node : NULL;
}

int hw_view_set(struct hw_view *view, struct hw_node *parent, const char *name,
		struct hw_node *node)
{
	struct hw_name *entry = find_name(view, parent, name);
	unsigned char key[HW_NAME_KEY_MAX];
	size_t len;

	hw_negative_drop(view, parent, name);
	if (entry) {
		DL_DELETE(entry->node->names, entry);
		entry->node = node;
		entry->old = false;
		DL_APPEND(node->names, entry);
		return 0;
	}
	len = hw_name_key(key, parent, name);
	entry = len ? malloc(sizeof(*entry) + len + 1) : NULL;
	if (!entry)
		return -ENOMEM;
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->key, key, len + 1);
	entry->len = (uint16_t)len;
	entry->parent = parent;
	entry->node = node;
	hw_node_hold(parent);
	DL_APPEND(node->names, entry);
	HASH_ADD_KEYPTR(hh, view->names, entry->key, len, entry);
	return 0;
}

bool hw_view_has(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	const struct hw_name *found = find_name(view, parent, name);

	return found && !found->old;
}

void hw_view_remove(struct hw_view *view, const struct hw_node *parent, const char *name)
{
	struct hw_name *found = find_name(view, parent, name);

	if (found)
		remove_name(view, found);
}

void hw_view_make_old(struct hw_view *view)
{
	struct hw_name *name;

	for (name = view->names; name; name = name->hh.next)
		name->old = true;
}

void hw_view_free(struct hw_view *view)
{
	struct hw_name *name, *next_name;
	struct hw_node *node, *next;

	hw_own_free(view);
	for (name = view->names; name; name = next_name) {
		next_name = name->hh.next;
		HASH_DELETE(hh, view->names, name);
		free(name);
	}
	for (node = view->nodes; node; node = next) {
		next = node->hh.next;
		HASH_DELETE(hh, view->nodes, node);
		hw_negative_forget(view, node);
		close_node(node);
		if (!is_permanent(view, node))
			free(node);
	}
	(void)pthread_mutex_destroy(&view->lock);
}
