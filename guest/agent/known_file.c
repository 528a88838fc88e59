/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "known_file.h"
#include "foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND "hostwatch known " /* before the version */
#define MAGIC KIND "1"
#define BOOT_BYTES 36u
#define DEPTH_MAX (HW_PATH_MAX / 2 + 1)
/* The other flags are of a comparison, or of one agent. */
#define KEPT ((uint32_t)(HW_KNOWN_NAME | HW_KNOWN_WATCHED | HW_KNOWN_LISTED | HW_KNOWN_TOO_LARGE))

/* In the byte order and layout of this agent: another version of it does not know the size. */
struct head {
	char magic[24];
	char boot[BOOT_BYTES + 4];
	uint32_t entry_bytes;
	uint32_t reserved;
	uint64_t dev;
	uint64_t count;
};

/* Followed by the name. Each directory precedes its entries. */
struct item {
	uint32_t depth; /* 0: the root */
	uint32_t flags;
	uint32_t name_len;
	uint32_t reserved;
	struct hw_guest_seen state;
};

static void fill_head(struct head *head, uint64_t dev)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(head, 0, sizeof(*head));
	memcpy(head->magic, MAGIC, sizeof(MAGIC));
	head->entry_bytes = sizeof(struct item);
	head->dev = dev;
	/* without /proc, boots cannot be distinguished */
	if (fd >= 0 && read(fd, head->boot, BOOT_BYTES) < 0)
		head->boot[0] = '\0';
	if (fd >= 0)
		(void)close(fd); /* only read from */
}

/* ---- writing ---- */

/* An object that was not examined yet is examined by the next agent. */
static uint32_t flags_of(const struct hw_known *e)
{
	uint32_t flags = e->flags & KEPT;

	if (e->flags & HW_KNOWN_FRESH)
		flags &= ~(uint32_t)(HW_KNOWN_WATCHED | HW_KNOWN_LISTED);
	return flags;
}

static bool is_kept(const struct hw_known *e)
{
	return !e->parent || flags_of(e) || !hw_list_empty(&e->children);
}

static bool is_settled(const struct hw_known *e)
{
	return !e->difference && !(e->flags & HW_KNOWN_COVERED);
}

/* The next entry of a walk in which each directory precedes its entries; NULL after the last. */
static const struct hw_known *next(const struct hw_known *e, uint32_t *depth)
{
	if (!hw_list_empty(&e->children)) {
		++*depth;
		return HW_KNOWN_OF(e->children.next, sibling);
	}
	while (e->parent && e->sibling.next == &e->parent->children) {
		--*depth;
		e = e->parent;
	}
	return e->parent ? HW_KNOWN_OF(e->sibling.next, sibling) : NULL;
}

static int count_entries(const struct hw_knowns *k, uint64_t *ret)
{
	uint32_t depth = 0;

	*ret = 0;
	for (const struct hw_known *e = k->root; e; e = next(e, &depth)) {
		if (!is_settled(e))
			return -EBUSY;
		*ret += is_kept(e);
	}
	return 0;
}

static void put_entry(FILE *file, const struct hw_known *e, uint32_t depth)
{
	const struct item item = {
		.depth = depth,
		.flags = flags_of(e),
		.name_len = e->name_len,
		.state = e->state,
	};

	(void)fwrite(&item, sizeof(item), 1, file); /* ferror() tells */
	(void)fwrite(e->name, 1, e->name_len, file);
}

static int put_all(const struct hw_knowns *k, const struct head *head, int fd)
{
	FILE *file = fdopen(fd, "w");
	uint32_t depth = 0;
	int r = 0;

	if (!file) {
		r = -errno;
		(void)close(fd); /* nothing was written */
		return r;
	}
	(void)fwrite(head, sizeof(*head), 1, file);
	for (const struct hw_known *e = k->root; e; e = next(e, &depth))
		if (is_kept(e))
			put_entry(file, e, depth);
	errno = EIO;
	if (ferror(file))
		r = -errno;
	errno = EIO;
	if (fclose(file) != 0 && r == 0)
		r = -errno;
	return r;
}

int hw_known_write(const struct hw_knowns *k, uint64_t dev, const char *path)
{
	struct head head;
	char *part = NULL;
	int r, fd;

	fill_head(&head, dev);
	r = count_entries(k, &head.count);
	if (r < 0)
		return r;
	if (hw_file_is_foreign(path, KIND))
		return -EEXIST;
	if (asprintf(&part, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(part, O_CLOEXEC);
	r = fd < 0 ? -errno : put_all(k, &head, fd);
	if (r == 0 && rename(part, path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		(void)unlink(part); /* keeps the earlier error */
	free(part);
	return r;
}

/* ---- reading ---- */

static int get(FILE *file, void *to, size_t len)
{
	return len == 0 || fread(to, len, 1, file) == 1 ? 0 : ferror(file) ? -EIO : -EBADMSG;
}

static bool is_name(const char *name, uint32_t len)
{
	return len > 0 && !memchr(name, '/', len) && !memchr(name, '\0', len);
}

/* `last`: the entry before, at depth *depth. */
static int add(struct hw_knowns *k, const struct item *item, const char *name,
	       struct hw_known **last, uint32_t *depth)
{
	struct hw_known *dir = *last, *e = k->root;

	if (item->depth == 0) {
		if (dir || item->name_len)
			return -EBADMSG;
	} else {
		if (!dir || item->depth > *depth + 1 || !is_name(name, item->name_len))
			return -EBADMSG;
		for (uint32_t up = *depth + 1 - item->depth; up; up--)
			dir = dir->parent;
		if (hw_known_child(dir, name, item->name_len))
			return -EBADMSG;
		e = hw_known_add(k, dir, name, item->name_len);
		if (!e)
			return -ENOMEM;
	}
	hw_known_set(k, e, item->flags & KEPT);
	e->state = item->state;
	*last = e;
	*depth = item->depth;
	return 0;
}

static int get_entries(struct hw_knowns *k, FILE *file, uint64_t count)
{
	struct hw_known *last = NULL;
	uint32_t depth = 0;
	int r = 0;

	for (; r == 0 && count; count--) {
		static char name[256];
		struct item item;

		r = get(file, &item, sizeof(item));
		if (r == 0 && (item.name_len > sizeof(name) || item.depth > DEPTH_MAX))
			r = -EBADMSG;
		if (r == 0)
			r = get(file, name, item.name_len);
		if (r == 0)
			r = add(k, &item, name, &last, &depth);
	}
	return r == 0 && fgetc(file) != EOF ? -EBADMSG : r;
}

int hw_known_read(struct hw_knowns *k, uint64_t dev, const char *path)
{
	struct head head, wanted;
	FILE *file;
	int fd, r;

	if (hw_file_is_foreign(path, KIND))
		return -EEXIST;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) {
		r = -errno;
		if (fd >= 0)
			(void)close(fd); /* nothing was read */
		return r;
	}
	fill_head(&wanted, dev);
	r = get(file, &head, sizeof(head));
	if (r == 0) {
		wanted.count = head.count;
		r = memcmp(&head, &wanted, sizeof(head)) == 0 ? 0 : -ESTALE;
	}
	if (r == 0)
		r = get_entries(k, file, head.count);
	(void)fclose(file); /* only read from */
	(void)unlink(path); /* an agent that is killed leaves none */
	return r;
}
