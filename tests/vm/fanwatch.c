/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fanwatch [-d] DIR...: prints the events that a fanotify program receives for these
 * directories. It sets one mark on the filesystem of the first directory if the kernel permits
 * that, else, or with -d, one mark on each directory. The first line is "Watches established: " and
 * the kind of mark. Then it prints a line for each bit of each event, the bits in a fixed order:
 *
 *	CREATE[,ISDIR] DIR/NAME
 *	RENAME[,ISDIR] DIR/NAME -> DIR/NAME	a side that is not reported is -
 *
 * DIR is printed as given, "?" for any other directory. Bytes that are not printable ASCII are
 * printed as \xHH.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif
#ifndef FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200
#endif

#define REPORT (FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID | FAN_REPORT_TARGET_FID)

static const struct bit {
	uint64_t mask;
	const char *name;
} bits[] = {
	{ FAN_RENAME, "RENAME" },         { FAN_MOVED_FROM, "MOVED_FROM" },
	{ FAN_MOVED_TO, "MOVED_TO" },     { FAN_DELETE, "DELETE" },
	{ FAN_CREATE, "CREATE" },         { FAN_MODIFY, "MODIFY" },
	{ FAN_ATTRIB, "ATTRIB" },         { FAN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ FAN_MOVE_SELF, "MOVE_SELF" },   { FAN_DELETE_SELF, "DELETE_SELF" },
	{ FAN_Q_OVERFLOW, "Q_OVERFLOW" },
};
#define BITS (sizeof(bits) / sizeof(bits[0]))

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static char **dirs;
static int dir_count;
static struct handle *handles; /* of the directories in dirs */

/* One side of an event, as given by its record. */
struct side {
	const struct file_handle *dir; /* NULL: not reported */
	const char *name;
};

static int die(const char *what)
{
	(void)fprintf(stderr, "vm-fanwatch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t all_bits(void)
{
	uint64_t mask = FAN_ONDIR | FAN_EVENT_ON_CHILD;

	for (size_t i = 0; i < BITS; i++)
		if (bits[i].mask != FAN_Q_OVERFLOW) /* always reported; must not be requested */
			mask |= bits[i].mask;
	return mask;
}

static void learn_handle(int i)
{
	int mount;

	handles[i].head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, dirs[i], &handles[i].head, &mount, 0) == 0)
		return;
	handles[i].head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, dirs[i], &handles[i].head, &mount, AT_HANDLE_FID) < 0)
		(void)die(dirs[i]);
}

static int watch(bool each)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | REPORT, 0);
	const char *how = "one mark for the file system";

	if (fd < 0)
		return die("fanotify_init");
	if (each ||
	    fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  all_bits() & ~(uint64_t)FAN_EVENT_ON_CHILD, AT_FDCWD, dirs[0]) < 0) {
		how = "a mark for each directory";
		for (int i = 0; i < dir_count; i++)
			if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, all_bits(), AT_FDCWD,
					  dirs[i]) < 0)
				return die(dirs[i]);
	}
	(void)printf("Watches established: %s\n", how);
	return fd;
}

static const char *label(const struct file_handle *handle)
{
	for (int i = 0; i < dir_count; i++)
		if (handles[i].head.handle_bytes == handle->handle_bytes &&
		    memcmp(handles[i].bytes, handle->f_handle, handle->handle_bytes) == 0)
			return dirs[i];
	return "?";
}

static void print_text(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c > ' ' && *c < 0x7f && *c != '\\')
			(void)putchar(*c);
		else
			(void)printf("\\x%02x", *c);
	}
}

static void print_side(const struct side *side)
{
	if (!side->dir) {
		(void)putchar('-');
		return;
	}
	print_text(label(side->dir));
	if (side->name && strcmp(side->name, ".") != 0) {
		(void)putchar('/');
		print_text(side->name);
	}
}

/* Records may come in any order: the type of a record decides. */
static void read_records(const struct fanotify_event_metadata *event, const char *at,
			 struct side *from, struct side *to)
{
	const char *end = at + event->event_len;

	at += event->metadata_len;

	while (at < end) {
		const struct fanotify_event_info_fid *info =
			(const struct fanotify_event_info_fid *)at;
		const struct file_handle *handle = (const struct file_handle *)info->handle;
		uint8_t type = info->hdr.info_type;
		struct side side = { .dir = handle };

		if (type != FAN_EVENT_INFO_TYPE_FID && type != FAN_EVENT_INFO_TYPE_DFID)
			side.name = (const char *)handle->f_handle + handle->handle_bytes;
		if (type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)
			*from = side;
		else if (type != FAN_EVENT_INFO_TYPE_FID || !to->dir)
			*to = side;
		at += info->hdr.len;
	}
}

static void print_event(const struct fanotify_event_metadata *event, const char *at)
{
	struct side from = { 0 }, to = { 0 };

	read_records(event, at, &from, &to);
	for (size_t i = 0; i < BITS; i++) {
		if (!(event->mask & bits[i].mask))
			continue;
		(void)printf("%s%s ", bits[i].name, event->mask & FAN_ONDIR ? ",ISDIR" : "");
		if (bits[i].mask == FAN_RENAME) {
			print_side(&from);
			(void)printf(" -> ");
		}
		print_side(&to);
		(void)putchar('\n');
	}
}

int main(int argc, char **argv)
{
	static _Alignas(8) char buf[65536];
	bool each = argc > 1 && strcmp(argv[1], "-d") == 0;
	int fd;

	dirs = argv + 1 + each;
	dir_count = argc - 1 - each;
	if (dir_count < 1)
		return 2;
	handles = calloc((size_t)dir_count, sizeof(*handles));
	if (!handles)
		return 1;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < dir_count; i++)
		learn_handle(i);
	fd = watch(each);
	for (;;) {
		struct fanotify_event_metadata event;
		ssize_t len = read(fd, buf, sizeof(buf));

		if (len < 0 && errno != EINTR)
			return die("read");
		/* records have multiples of four bytes */
		for (ssize_t at = 0; at < len; at += event.event_len) {
			memcpy(&event, buf + at, sizeof(event));
			print_event(&event, buf + at);
		}
	}
}
