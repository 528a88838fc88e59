/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The minimum that a program must do with fanotify to know the directory of each event: set a
 * filesystem mark (or one mark per directory), keep a table of directory handles, read, look up,
 * count, and optionally print. With -s it also calls statx(2) for each new file. */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MASK                                                                                       \
	(FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_RENAME |        \
	 FAN_ONDIR)
#define HANDLE_MAX                                                                                 \
	32 /* bytes stored of a handle; longer handles (NFS) are truncated, which does not occur   \
	    * in this bench */

struct key {
	uint32_t len; /* 0: the place is free */
	int32_t type;
	unsigned char bytes[HANDLE_MAX];
};

struct place {
	struct key key;
	int dir; /* owned: an O_PATH descriptor if -s is given, else -1 */
};

struct reader {
	int fd;
	bool print, stat, inode_marks;
	struct place *table; /* owned; open addressing */
	size_t size, used; /* size is a power of two */
	uint64_t reads, events, overflows, foreign;
	uint64_t stats; /* successful calls of statx(2) */
};

static struct key key_of(const struct file_handle *handle)
{
	struct key key = { .type = handle->handle_type };

	key.len = handle->handle_bytes < HANDLE_MAX ? handle->handle_bytes : HANDLE_MAX;
	memcpy(key.bytes, handle->f_handle, key.len);
	return key;
}

/* Returns the place of the key, or the free place where it belongs. */
static struct place *find_key(const struct reader *reader, const struct key *key)
{
	uint64_t hash = 14695981039346656037u;

	for (uint32_t i = 0; i < key->len; i++)
		hash = (hash ^ key->bytes[i]) * 1099511628211u;
	hash ^= hash >> 32;
	for (size_t i = hash & (reader->size - 1);; i = (i + 1) & (reader->size - 1)) {
		struct place *place = &reader->table[i];

		if (!place->key.len || memcmp(&place->key, key, sizeof(*key)) == 0)
			return place;
	}
}

static void grow(struct reader *reader)
{
	struct place *old = reader->table;
	size_t old_size = reader->size;

	reader->size = old_size ? 2 * old_size : 1024;
	reader->table = calloc(reader->size, sizeof(reader->table[0]));
	if (!reader->table)
		bench_die(ENOMEM, "table");
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].key.len)
			*find_key(reader, &old[i].key) = old[i];
	}
	free(old);
}

static void arm(void *arg, int dirfd, const char *path)
{
	struct reader *reader = arg;
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	struct place place = { .dir = -1 };
	int mount_id;

	(void)path;
	if (name_to_handle_at(dirfd, "", &u.handle, &mount_id, AT_EMPTY_PATH) < 0)
		bench_die(errno, "name_to_handle_at");
	if (reader->inode_marks && fanotify_mark(reader->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
						 MASK | FAN_EVENT_ON_CHILD, dirfd, NULL) < 0)
		bench_die(errno, "fanotify_mark of a directory");
	if (2 * reader->used >= reader->size)
		grow(reader);
	if (reader->stat) {
		place.dir = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (place.dir < 0)
			bench_die(errno, "open a directory");
	}
	place.key = key_of(&u.handle);
	*find_key(reader, &place.key) = place;
	reader->used++;
}

static bool has_name(const struct fanotify_event_info_header *header)
{
	return header->info_type == FAN_EVENT_INFO_TYPE_DFID_NAME ||
	       header->info_type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME ||
	       header->info_type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME;
}

static void take_record(struct reader *reader, uint64_t mask, const char *record)
{
	const struct fanotify_event_info_fid *fid = (const void *)record;
	const struct file_handle *handle = (const void *)fid->handle;
	const char *name = (const char *)handle->f_handle + handle->handle_bytes;
	struct key key = key_of(handle);
	const struct place *place = find_key(reader, &key);
	struct statx stx;

	if (!place->key.len) {
		reader->foreign++;
		return;
	}
	if (reader->print)
		(void)printf("%llx %s\n", (unsigned long long)mask, name);
	if (reader->stat && mask & FAN_CREATE)
		reader->stats += statx(place->dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				       STATX_BASIC_STATS | STATX_BTIME, &stx) == 0;
}

static void take(struct reader *reader, const char *data, size_t len)
{
	const struct fanotify_event_metadata *event = (const void *)data;

	for (; FAN_EVENT_OK(event, (ssize_t)len); event = FAN_EVENT_NEXT(event, len)) {
		const char *record = (const char *)event + event->metadata_len;
		const char *end = (const char *)event + event->event_len;

		reader->events++;
		if (event->mask & FAN_Q_OVERFLOW)
			reader->overflows++;
		while (record < end) {
			const struct fanotify_event_info_header *header = (const void *)record;

			if (has_name(header))
				take_record(reader, event->mask, record);
			record += header->len;
		}
	}
	if (reader->print)
		(void)fflush(stdout);
}

static void open_queue(struct reader *reader, const char *root)
{
	reader->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME_TARGET,
				   O_RDONLY | O_CLOEXEC);
	if (reader->fd < 0)
		bench_die(errno, "fanotify_init");
	if (!reader->inode_marks &&
	    fanotify_mark(reader->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, AT_FDCWD, root) < 0)
		bench_die(errno, "fanotify_mark of the filesystem");
}

int main(int argc, char **argv)
{
	static _Alignas(struct fanotify_event_metadata) char buffer[65536];
	struct reader reader = { 0 };
	struct bench_walk walk = { .visit = arm, .arg = &reader };
	struct timespec nap = { 0 };
	int option;

	while ((option = getopt(argc, argv, "ipsw:")) != -1) {
		if (option == 'i')
			reader.inode_marks = true;
		else if (option == 'p')
			reader.print = true;
		else if (option == 's')
			reader.stat = true;
		else if (option == 'w')
			nap.tv_nsec = 1000 * (long)bench_number("-w", optarg, 100000);
		else
			optind = argc + 1;
	}
	if (optind + 1 != argc)
		bench_die(0, "usage: raw_fanotify [-i] [-p] [-s] [-w MICROSECONDS] DIR: inode "
			     "marks; print; statx of new files; sleep between reads");
	bench_catch_stop();
	open_queue(&reader, argv[optind]);
	bench_walk(&walk, argv[optind]);
	(void)fprintf(stderr, "ready %llu\n", (unsigned long long)walk.directories);
	while (!bench_stop) {
		ssize_t len = read(reader.fd, buffer, sizeof(buffer));

		if (len < 0 && errno != EINTR)
			bench_die(errno, "read");
		if (len > 0) {
			reader.reads++;
			take(&reader, buffer, (size_t)len);
		}
		if (nap.tv_nsec)
			(void)nanosleep(&nap, NULL); /* the signal that ends the program may
						      * interrupt it */
	}
	(void)fprintf(stderr, "events %llu overflows %llu reads %llu foreign %llu stats %llu\n",
		      (unsigned long long)reader.events, (unsigned long long)reader.overflows,
		      (unsigned long long)reader.reads, (unsigned long long)reader.foreign,
		      (unsigned long long)reader.stats);
	free(reader.table);
	return 0;
}
