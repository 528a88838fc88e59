/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "list.h"

#include "apart.h"
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER 32768u
#define SOME 4096u /* bytes: about a hundred entries */

static int reserve(struct hw_listing *l, size_t name_len)
{
	if (l->count == l->room) {
		uint32_t room = l->room ? l->room * 2 : 64;
		struct hw_found *found = realloc(l->found, room * sizeof(*found));

		if (!found)
			return -ENOMEM;
		l->found = found;
		l->room = room;
	}
	if (l->names_used + name_len + 1 > l->names_room) {
		uint32_t room = l->names_room ? l->names_room * 2 : 4096;
		char *names = realloc(l->names, room);

		if (!names)
			return -ENOMEM;
		l->names = names;
		l->names_room = room;
	}
	return 0;
}

/* Stats an entry on another filesystem, or a file on overlayfs that has the device number of its
 * layer. */
static void identify_foreign(struct hw_found *f, const struct statx *stx, int fd,
			     struct hw_identify how)
{
	if (how.by == HW_BY_HANDLE && f->stat.type != HW_TYPE_DIR && stx->stx_mask & STATX_MNT_ID &&
	    stx->stx_mnt_id == hw_mount_of(fd))
		f->dev = how.dev;
	else
		f->foreign = true;
}

static void identify(struct hw_found *f, const struct statx *stx, int fd, struct hw_identify how)
{
	hw_stat_from_statx(&f->stat, stx);
	f->dev = hw_statx_dev(stx);
	if (how.dev && f->dev != how.dev)
		identify_foreign(f, stx, fd, how);
}

static int add(struct hw_listing *l, int fd, const char *name, struct hw_identify how)
{
	struct statx stx;
	size_t len = strlen(name);
	int error;

	if (len > HW_NAME_MAX)
		return 0; /* no Linux filesystem has such names */
	error = -hw_apart_statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, HW_STATX_MASK,
				&stx);
	if (error == ENOENT)
		return 0; /* deleted meanwhile */
	int r = reserve(l, len);

	if (r < 0)
		return r;
	struct hw_found *f = &l->found[l->count++];

	*f = (struct hw_found){ .name = l->names_used,
				.name_len = (uint8_t)len,
				.error = (uint8_t)error };
	if (!error)
		identify(f, &stx, fd, how);
	if (!error && !f->foreign)
		(void)hw_identity_take(&f->stat, how.by, fd, name); /* on the same filesystem */
	memcpy(l->names + l->names_used, name, len + 1);
	l->names_used += (uint32_t)len + 1;
	return 0;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Returns whether there may be more entries. */
static bool read_some(int fd, size_t bytes, struct hw_identify how, struct hw_listing *listing)
{
	_Alignas(struct dirent64) char buffer[BUFFER];
	ssize_t n;

	do
		n = getdents64(fd, buffer, bytes);
	while (n < 0 && errno == EINTR);
	if (n <= 0) /* ENOENT: the directory was removed, so it is empty */
		listing->error = n < 0 && errno != ENOENT ? -errno : 0;
	for (ssize_t at = 0; at < n && !listing->error;) {
		const struct dirent64 *d = (const void *)(buffer + at);

		at += d->d_reclen;
		if (!is_dot(d->d_name))
			listing->error = add(listing, fd, d->d_name, how);
	}
	return n > 0 && !listing->error;
}

/* One or more parts of a listing. The memory of the listing belongs to the call. */
struct read_data {
	size_t bytes; /* of each part */
	uint32_t max; /* entries */
	struct hw_identify how;
	struct hw_listing listing;
};

static void call_read(int fd, const char *path, void *arg)
{
	struct read_data *data = arg;

	(void)path;
	do
		data->listing.more = read_some(fd, data->bytes, data->how, &data->listing);
	while (data->listing.more && data->listing.count < data->max);
}

static void drop_read(void *arg)
{
	struct read_data *data = arg;

	hw_list_free(&data->listing);
}

static void read_parts(int fd, const struct read_data *what, struct hw_listing *listing)
{
	static const struct hw_apart_act act = { call_read, drop_read, sizeof(struct read_data) };
	struct read_data data = *what;
	int r;

	data.listing = *listing;
	r = hw_apart_call(fd, NULL, &act, &data);
	if (r < 0)
		data.listing = (struct hw_listing){ .error = r }; /* the call owns the other one */
	*listing = data.listing;
}

void hw_list_read(int fd, uint32_t max, struct hw_identify how, struct hw_listing *listing)
{
	const struct read_data all = { .bytes = BUFFER, .max = max, .how = how };

	hw_list_reset(listing);
	read_parts(fd, &all, listing);
}

bool hw_list_some(int fd, struct hw_identify how, struct hw_listing *listing)
{
	const struct read_data some = { .bytes = SOME, .how = how };

	read_parts(fd, &some, listing);
	return listing->more;
}

void hw_list_reset(struct hw_listing *listing)
{
	listing->count = 0;
	listing->names_used = 0;
	listing->more = false;
	listing->error = 0;
}

void hw_list_free(struct hw_listing *listing)
{
	free(listing->found);
	free(listing->names);
	memset(listing, 0, sizeof(*listing));
}

static int compare(const void *a, const void *b, void *names)
{
	const struct hw_found *x = a, *y = b;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp((char *)names + x->name, (char *)names + y->name, len);

	return c ? c : (int)x->name_len - (int)y->name_len;
}

void hw_list_sort(struct hw_listing *listing)
{
	if (listing->count)
		qsort_r(listing->found, listing->count, sizeof(*listing->found), compare,
			listing->names);
}
