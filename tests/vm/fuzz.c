/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-fuzz MOUNT SECONDS SEED: writes mutated frames to the module's device. Frames name entries
 * that exist, that do not, and that no frame may name; then some of their bytes change. The device
 * may take them or refuse them with EBADMSG.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/guest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static const char *const names[] = { "a", "b",    "file", "sub", "..", ".",
				     "",  "link", "sub",  "a",   "b",  "file" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static size_t make_path(char *path)
{
	size_t len = 0;

	switch (pick(16)) {
	case 0:
		return 0;
	case 1: /* around the longest name, and the longest path of a program */
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

/* A frame whose lengths add up. */
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

int main(int argc, char **argv)
{
	static unsigned char frame[HW_FUSE_FRAME_MAX + 64];
	unsigned long taken = 0, refused = 0;
	time_t end;
	int device;
	__s32 root;

	if (argc != 4)
		return 2;
	device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	root = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (device < 0 || root < 0 || write(device, frame, 80) >= 0 || errno != ENOTCONN ||
	    ioctl(device, HW_BIND, &root) < 0 || ioctl(device, HW_BIND, &root) == 0)
		return 1;
	state = strtoull(argv[3], NULL, 10);
	end = time(NULL) + atoi(argv[2]);
	while (time(NULL) < end) {
		size_t len = make_frame(frame);

		if (pick(2))
			len = mutate(frame, len);
		if (write(device, frame, len) == (ssize_t)len)
			taken++;
		else if (errno == EBADMSG)
			refused++;
		else
			return printf("%s\n", strerror(errno)), 1;
	}
	(void)printf("%lu taken, %lu refused\n", taken, refused);
	return taken && refused ? 0 : 1;
}
