/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#define BUFFER_BYTES (64u * 1024)
#define HANDLE_BYTES 128u /* MAX_HANDLE_SZ */
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* since Linux 6.5: a handle that need not be usable for opening */
#endif
#define EVENTS                                                                                     \
	(FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_MODIFY | FAN_ATTRIB |       \
	 FAN_CLOSE_WRITE | FAN_ONDIR)
#define BY_OWN 1u
#define BY_OTHER 2u
#define UNSURE 4u

/* ---- names ---- */

/* A directory, identified by its handle. */
struct place {
	int32_t type;
	uint32_t len;
	const char *bytes;
};

static uint64_t key_of(const struct place *dir, const char *name, size_t len)
{
	uint64_t hash = hw_hash_bytes(dir->bytes, dir->len, (uint64_t)(uint32_t)dir->type);

	return hw_hash_bytes(name, len, hash);
}

static void note(struct hw_writers *writers, uint64_t key, uint64_t by)
{
	struct hw_hash *slot;

	if (writers->names.count >= HW_WRITERS_MAX) {
		hw_hashes_free(&writers->names);
		writers->lost = true;
	}
	slot = hw_hashes_get(&writers->names, key);
	if (slot)
		slot->value.number |= by;
	else
		writers->lost = true;
}

/* ---- records ---- */

/* struct fanotify_event_info_fid, whose handle may be less aligned than the compiler assumes. */
struct fid {
	struct fanotify_event_info_header header;
	uint64_t fsid;
	uint32_t len;
	int32_t type;
} __attribute__((packed));

static void take_info(struct hw_writers *writers, const char *bytes, size_t len, uint64_t by)
{
	struct place dir;
	struct fid fid;

	if (len < sizeof(fid))
		return;
	memcpy(&fid, bytes, sizeof(fid));
	if (fid.header.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME || fid.len > len - sizeof(fid))
		return;
	dir = (struct place){ .type = fid.type, .len = fid.len, .bytes = bytes + sizeof(fid) };
	bytes = dir.bytes + dir.len;
	note(writers, key_of(&dir, bytes, strnlen(bytes, len - sizeof(fid) - fid.len)), by);
}

static uint64_t maker_of(const struct hw_writers *writers, pid_t pid)
{
	if (hw_family_has(&writers->family, pid))
		return BY_OWN;
	return writers->family.lost ? UNSURE : BY_OTHER;
}

static void take_record(struct hw_writers *writers, const char *bytes,
			const struct fanotify_event_metadata *event)
{
	uint64_t by = maker_of(writers, event->pid);
	struct fanotify_event_info_header info;

	if (event->mask & FAN_Q_OVERFLOW)
		writers->lost = true;
	for (size_t at = event->metadata_len; at + sizeof(info) <= event->event_len;) {
		memcpy(&info, bytes + at, sizeof(info));
		if (info.len < sizeof(info) || info.len > event->event_len - at)
			break;
		take_info(writers, bytes + at, info.len, by);
		at += info.len;
	}
}

static void take_records(struct hw_writers *writers, size_t len)
{
	struct fanotify_event_metadata event;

	/* Reads new processes first, because a process is reported before it can change anything.
	 * */
	hw_family_read(&writers->family);
	for (size_t at = 0; at + sizeof(event) <= len; at += event.event_len) {
		memcpy(&event, writers->buffer + at, sizeof(event));
		if (event.event_len < sizeof(event) || event.event_len > len - at)
			break;
		take_record(writers, writers->buffer + at, &event);
	}
}

void hw_writers_read(struct hw_writers *writers)
{
	ssize_t n;

	while (writers->active && (n = read(writers->group, writers->buffer, BUFFER_BYTES)) > 0)
		take_records(writers, (size_t)n);
}

static int on_readable(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	(void)io;
	(void)events;
	hw_writers_read(self);
	return (int)budget; /* reports a full budget, so that the loop may delay the next call */
}

/* ---- queries ---- */

struct room {
	struct file_handle handle;
	char bytes[HANDLE_BYTES];
};

/* Gets the place of a directory; `room` contains its bytes. */
static int find_place(const char *dir, struct room *room, struct place *ret)
{
	struct file_handle *handle = &room->handle;
	int mount_id, r, flags = AT_SYMLINK_FOLLOW;

	handle->handle_bytes = HANDLE_BYTES;
	r = name_to_handle_at(AT_FDCWD, dir, handle, &mount_id, flags);
	if (r < 0 && errno == EOPNOTSUPP) {
		handle->handle_bytes = HANDLE_BYTES;
		r = name_to_handle_at(AT_FDCWD, dir, handle, &mount_id, flags | AT_HANDLE_FID);
	}
	if (r < 0)
		return -errno;
	*ret = (struct place){ .type = handle->handle_type,
			       .len = handle->handle_bytes,
			       .bytes = (const char *)handle->f_handle };
	return 0;
}

static uint64_t makers_of_key(const struct hw_writers *writers, uint64_t key)
{
	const struct hw_hash *now = hw_hashes_find(&writers->names, key),
			     *before = hw_hashes_find(&writers->before, key);

	return (now ? now->value.number : 0) | (before ? before->value.number : 0);
}

/* Splits "a/b/c" into "a/b" and "c", in place; "c" into "." and "c". */
static const char *split(char *path, const char **ret_dir)
{
	char *slash = strrchr(path, '/');

	*ret_dir = ".";
	if (!slash)
		return path;
	*slash = '\0';
	*ret_dir = slash == path ? "/" : path;
	return slash + 1;
}

/* Returns who changed the name. If its directory was deleted, uses the nearest ancestor whose
 * directory still exists. */
static uint64_t makers_of(const struct hw_writers *writers, char *path)
{
	const char *dir, *name;
	struct place place;
	struct room room;
	int r;

	do {
		name = split(path, &dir);
		r = find_place(dir, &room, &place);
	} while (r == -ENOENT && dir == path);
	return r < 0 ? 0 : makers_of_key(writers, key_of(&place, name, strlen(name)));
}

/* Changes of a directory itself may be reported without its parent. */
static uint64_t makers_of_directory(const struct hw_writers *writers, const char *path)
{
	struct place place;
	struct room room;

	if (find_place(path, &room, &place) < 0)
		return 0;
	return makers_of_key(writers, key_of(&place, ".", 1));
}

enum hw_writer hw_writers_of(const struct hw_writers *writers, const char *name)
{
	char *path = writers->active ? strdup(name) : NULL;
	uint64_t makers;

	if (!path)
		return HW_WRITER_UNKNOWN;
	makers = makers_of_directory(writers, path);
	makers |= makers_of(writers, path);
	free(path);
	if (makers & BY_OTHER)
		return HW_WRITER_OTHER;
	return makers == BY_OWN && !writers->lost ? HW_WRITER_OWN : HW_WRITER_UNKNOWN;
}

/* ---- life ---- */

static int mark_all(const struct hw_writers *writers)
{
	for (size_t i = 0; i < writers->dir_count; i++) {
		if (fanotify_mark(writers->group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, EVENTS,
				  AT_FDCWD, writers->dirs[i]) < 0)
			return -errno;
	}
	return 0;
}

static void unmark_all(const struct hw_writers *writers)
{
	/* Closing the group would wait for the kernel's readers. */
	(void)fanotify_mark(writers->group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD,
			    NULL);
}

void hw_writers_turn(struct hw_writers *writers)
{
	if (!writers->active) {
		hw_family_begin(&writers->family);
		writers->active = true;
		writers->lost = mark_all(writers) < 0;
		return;
	}
	hw_writers_read(writers);
	hw_hashes_free(&writers->before);
	writers->before = writers->names;
	writers->names = (struct hw_hashes){ 0 };
}

void hw_writers_forget(struct hw_writers *writers)
{
	hw_hashes_free(&writers->before);
	if (writers->names.count < HW_WRITERS_MAX)
		writers->lost = false;
}

void hw_writers_rest(struct hw_writers *writers)
{
	if (!writers->active)
		return;
	hw_family_read(&writers->family);
	if (writers->family.alive)
		return;
	unmark_all(writers);
	hw_writers_read(writers);
	writers->active = false;
	hw_family_end(&writers->family);
	hw_hashes_free(&writers->names);
	hw_hashes_free(&writers->before);
}

static int make_group(struct hw_writers *writers, struct hw_loop *loop)
{
	int r;

	writers->group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME |
					       FAN_UNLIMITED_QUEUE | FAN_CLOEXEC | FAN_NONBLOCK,
				       O_RDONLY);
	if (writers->group < 0)
		return -errno;
	r = mark_all(writers);
	unmark_all(writers);
	if (r == 0)
		r = hw_io_add(loop, writers->group, HW_IO_READ, on_readable, writers, &writers->io);
	if (r == 0)
		hw_io_set_patient(writers->io);
	return r;
}

int hw_writers_init(struct hw_writers *writers, struct hw_loop *loop, const char *const *dirs,
		    size_t dir_count)
{
	int r;

	*writers = (struct hw_writers){ .dirs = dirs, .dir_count = dir_count, .group = -1 };
	r = hw_family_init(&writers->family, loop);
	if (r < 0)
		return r;
	writers->buffer = malloc(BUFFER_BYTES);
	r = writers->buffer ? make_group(writers, loop) : -ENOMEM;
	if (r < 0)
		hw_writers_free(writers);
	return r;
}

void hw_writers_free(struct hw_writers *writers)
{
	if (writers->io)
		hw_io_del(writers->io);
	writers->io = NULL;
	if (writers->group >= 0)
		(void)close(writers->group);
	writers->group = -1;
	hw_family_free(&writers->family);
	hw_hashes_free(&writers->names);
	hw_hashes_free(&writers->before);
	free(writers->buffer);
	writers->buffer = NULL;
	writers->active = false;
}
