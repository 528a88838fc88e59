/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fuzz MOUNT SECONDS SEED: three processes write mutated frames to the module's device, two of
 * them to the same descriptor, while others change, read and watch the named entries, and drop the
 * caches. Frames contain names that exist, names that do not exist, and invalid names; then some of
 * their bytes are changed. The device may accept frames or refuse them with EBADMSG.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/guest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITERS 3
#define CHANGERS 2
#define BATCH 8

static uint64_t state;
static const char *mount_path;
static time_t end;

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* ---- frames ---- */

static const char *const names[] = { "a",  "b",   "file", "sub", "..",   ".",     "",     "link",
				     "up", "sub", "a",    "b",   "file", "inner", "moved" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static size_t make_path(char *path)
{
	size_t len = 0;

	switch (pick(16)) {
	case 0:
		return 0;
	case 1: /* lengths close to the longest name, and to the longest path of a program */
		len = pick(2) ? 254 + pick(3) : 4094 + pick(4);
		memset(path, 'x', len);
		for (size_t i = 200; len > 300 && i < len; i += 201)
			path[i] = '/';
		return len;
	default:
		for (uint32_t depth = 1 + pick(4); depth; depth--) {
			const char *name = names[pick(NAMES)];

			if (len)
				path[len++] = '/';
			memcpy(path + len, name, strlen(name));
			len += strlen(name);
		}
		return len;
	}
}

/* Makes a frame with consistent lengths. */
static size_t make_frame(unsigned char *frame)
{
	struct hw_fuse_out_header header = { .error = HW_FUSE_NOTIFY_FSNOTIFY };
	struct hw_fuse_fsnotify_out out = {
		.version = HW_FUSE_VERSION,
		.kind = (uint16_t)(1 + pick(HW_KIND_END - 1)),
		.type = (uint16_t)(1 + pick(HW_TYPE_END - 1)),
		.seq = 1,
	};
	char *paths = (char *)frame + HW_FRAME_EVENT_BYTES;

	if (out.kind == HW_RESCAN)
		out.type = HW_TYPE_NONE;
	if (out.kind == HW_MOVE) {
		out.flags = (uint16_t)pick(3);
		out.from_len = (uint32_t)make_path(paths);
	}
	out.to_len = (uint32_t)make_path(paths + out.from_len);
	header.len = HW_FRAME_EVENT_BYTES + out.from_len + out.to_len;
	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), &out, sizeof(out));
	return header.len;
}

static size_t mutate(unsigned char *frame, size_t len)
{
	for (uint32_t i = pick(4); i; i--)
		frame[pick(pick(2) ? 96 : (uint32_t)len)] = (unsigned char)pick(256);
	return pick(8) ? len : pick((uint32_t)len + 16);
}

/* The other requests, with arguments of all kinds. They may refuse them, but change nothing else.
 */
static void request(int device)
{
	static unsigned char data[1 << 16];
	static char path[HW_PATH_MAX + 16];
	struct hw_guest_buffer buffer = { .data = (uintptr_t)data, .size = pick(sizeof(data) + 1) };
	struct hw_guest_watched watched = { .data = (uintptr_t)data,
					    .size = pick(sizeof(data) + 1) };

	if (pick(8) == 0)
		buffer.data = watched.data = pick(2) ? 8 : UINT64_MAX - pick(4096);
	if (pick(8) == 0)
		buffer.size = watched.size = UINT32_MAX - pick(64);
	buffer.reserved = watched.reserved = pick(16) == 0;
	switch (pick(3)) {
	case 0:
		(void)ioctl(device, HW_GET_SEEN, &buffer);
		break;
	case 1:
		(void)ioctl(device, HW_GET_WATCHED, &watched);
		break;
	default:
		if (pick(4)) {
			buffer.data = (uintptr_t)path;
			buffer.size = (uint32_t)make_path(path);
		}
		if (pick(8) == 0)
			path[pick(8)] = (char)pick(256);
		(void)ioctl(device, HW_REFRESH, &buffer);
	}
}

static int write_frames(int device)
{
	static unsigned char frames[BATCH * (HW_FUSE_FRAME_MAX + 64)];
	unsigned long taken = 0, refused = 0;

	while (time(NULL) < end) {
		size_t len = 0;

		for (uint32_t i = pick(4) ? 1 : 1 + pick(BATCH); i; i--) {
			size_t frame_len = make_frame(frames + len);

			len += pick(2) ? mutate(frames + len, frame_len) : frame_len;
		}
		if (len > HW_GUEST_WRITE_MAX)
			len = HW_GUEST_WRITE_MAX;
		if (write(device, frames, len) >= 0) {
			taken++;
		} else if (errno == EBADMSG) {
			refused++;
		} else {
			perror("write");
			return 1;
		}
		if (pick(16) == 0)
			request(device);
	}
	(void)printf("%lu taken, %lu refused\n", taken, refused);
	return taken && refused ? 0 : 1;
}

/* ---- changes at the same time ---- */

static void touch(const char *path)
{
	char byte = (char)pick(256);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return;
	if (pick(2))
		(void)!write(fd, &byte, 1); /* the result does not matter */
	else
		(void)!read(fd, &byte, 1);
	(void)close(fd);
}

/* Calls may fail, because other processes change the same entries. */
static void change(int watcher)
{
	char path[64], other[64];
	struct stat st;
	char events[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", pick(2) ? "a" : ".", pick(2) ? "sub" : "moved");
	(void)snprintf(other, sizeof(other), "%s/%s", pick(2) ? "b" : "sub",
		       pick(2) ? "a" : "file");
	switch (pick(10)) {
	case 0:
		(void)mkdir(path, 0755);
		break;
	case 1:
		(void)rename(path, other);
		break;
	case 2:
		(void)rename(other, path);
		break;
	case 3:
		(void)(unlink(other) < 0 && rmdir(other));
		break;
	case 4:
		(void)stat(path, &st);
		break;
	case 5:
	case 6:
		touch(other);
		break;
	case 7:
		(void)inotify_add_watch(watcher, pick(2) ? path : other, IN_ALL_EVENTS);
		break;
	case 8:
		(void)inotify_rm_watch(watcher, 1 + (int)pick(16));
		break;
	default:
		(void)!read(watcher, events, sizeof(events));
		break;
	}
}

static int change_things(int caches)
{
	int watcher = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (watcher < 0 || chdir(mount_path) < 0)
		return 1;
	while (time(NULL) < end) {
		change(watcher);
		if (pick(256) == 0 && write(caches, "2", 1) != 1)
			return 1;
	}
	return 0;
}

/* ---- */

static int bind_device(void)
{
	int device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	__s32 root = open(mount_path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (device < 0 || root < 0 || ioctl(device, HW_BIND, &root) < 0) {
		perror("bind");
		exit(1);
	}
	(void)close(root); /* nothing was written */
	return device;
}

static void begin(int (*work)(int), int fd)
{
	state = state * 31 + 7;
	(void)fflush(stdout);
	if (fork() == 0)
		exit(work(fd));
}

int main(int argc, char **argv)
{
	int status, r = 0, caches = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	int device;

	if (argc != 4 || caches < 0)
		return 2;
	mount_path = argv[1];
	end = time(NULL) + atoi(argv[2]);
	state = strtoull(argv[3], NULL, 10);
	device = bind_device();
	for (int i = 0; i < WRITERS; i++)
		begin(write_frames, i < 2 ? device : bind_device());
	for (int i = 0; i < CHANGERS; i++)
		begin(change_things, caches);
	for (int i = 0; i < WRITERS + CHANGERS; i++)
		if (wait(&status) < 0 || status != 0)
			r = 1;
	return r;
}
