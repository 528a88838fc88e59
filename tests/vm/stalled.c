/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-stalled MOUNT DIR OTHER: binds a device to MOUNT and another one to OTHER, watches MOUNT/DIR
 * and OTHER, and prints "ready". After SIGUSR1, when the server of MOUNT does not answer any more,
 * it writes frames for both, more than the module keeps, and prints "written". After a second
 * SIGUSR1, when the server answers again, it waits for the events of MOUNT/DIR, and prints "told".
 * Prints differences, and then exits with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/guest.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define WRITES 100 /* a wait for each would take longer */
#define LARGE_WRITES 40 /* of HW_GUEST_WRITE_MAX */

static void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	(void)printf("\n");
	exit(1);
}

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int bind_device(const char *path, int flags)
{
	int device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC | flags);
	__s32 root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (device < 0 || root < 0 || ioctl(device, HW_BIND, &root) < 0)
		fail("%s: %s", path, strerror(errno));
	(void)close(root); /* O_PATH: nothing to lose */
	return device;
}

static int watch(const char *path)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, path, IN_CREATE | IN_ATTRIB) < 0)
		fail("%s: %s", path, strerror(errno));
	return fd;
}

static size_t make_frame(unsigned char *frame, uint8_t kind, uint8_t type, const char *path)
{
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = kind,
					.type = type,
					.seq = 1,
					.path = path,
					.path_len = (uint32_t)strlen(path) };
	int n = hw_frame_encode_event(frame, HW_FUSE_FRAME_MAX, HW_FUSE_NOTIFY_FSNOTIFY, &event);

	return n < 0 ? 0 : (size_t)n;
}

static void put(int device, const void *frames, size_t len)
{
	ssize_t n = write(device, frames, len);

	if (n != (ssize_t)len)
		fail("write: %zd instead of %zu (%s)", n, len, n < 0 ? strerror(errno) : "part");
}

static void expect_soon(const char *what, long begin_ms)
{
	long took_ms = now_ms() - begin_ms;

	if (took_ms > DEADLINE_MS)
		fail("%s took %ld ms", what, took_ms);
}

/* Reads events until each of these bits was set in one. */
static void expect_events(const char *what, int fd, uint32_t mask)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	long end_ms = now_ms() + DEADLINE_MS;
	char bytes[4096];

	while (mask) {
		struct inotify_event event;
		long left_ms = end_ms - now_ms();
		ssize_t n;

		if (left_ms <= 0 || poll(&pollfd, 1, (int)left_ms) <= 0)
			fail("%s: no event of %#x", what, mask);
		n = read(fd, bytes, sizeof(bytes));
		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(event) + event.len)) {
			memcpy(&event, bytes + at, sizeof(event));
			mask &= ~event.mask;
		}
	}
}

/* The program continues, whatever the server of the mount does. */
static void write_stalled(int device, int direct, const char *dir)
{
	static unsigned char many[HW_GUEST_WRITE_MAX];
	struct hw_guest_buffer seen = { .data = (uintptr_t)many, .size = sizeof(many) };
	struct hw_guest_watched watched = { .size = 0 };
	long begin_ms = now_ms();
	char path[256];
	size_t len, all;

	(void)snprintf(path, sizeof(path), "%s/new", dir);
	len = make_frame(many, HW_CREATE, HW_TYPE_FILE, path);
	put(device, many, len);
	if (ioctl(device, HW_GET_SEEN, &seen) != 0)
		fail("the state of an entry that was not examined");
	len = make_frame(many, HW_CREATE, HW_TYPE_FILE, path);
	for (int i = 0; i < WRITES; i++)
		put(device, many, len);
	put(direct, many, len);
	if (ioctl(device, HW_GET_WATCHED, &watched) < 0 || watched.count < 2)
		fail("%u watched objects", watched.count);
	for (all = len; all + len <= sizeof(many); all += len)
		memcpy(many + all, many, len);
	for (int i = 0; i < LARGE_WRITES; i++)
		put(device, many, all);
	expect_soon("writing", begin_ms);
}

/* They are few enough for the queue, so each is reported. */
static void write_other(int device, int events)
{
	unsigned char frame[HW_FUSE_FRAME_MAX];
	size_t len = make_frame(frame, HW_ATTRIB, HW_TYPE_DIR, "");

	put(device, frame, len);
	expect_events("another mount", events, IN_ATTRIB);
}

static void expect_lost(int device)
{
	char counters[512];
	ssize_t n = pread(device, counters, sizeof(counters) - 1, 0);

	counters[n < 0 ? 0 : n] = '\0';
	if (!strstr(counters, "lost 1\n"))
		fail("the module does not count one rescan in place of events: %s", counters);
}

static void say(const char *word)
{
	(void)printf("%s\n", word);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	int device, direct, other, events, other_events, number;
	char path[256];
	sigset_t set;

	if (argc != 4)
		return 2;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)snprintf(path, sizeof(path), "%s/%s", argv[1], argv[2]);
	device = bind_device(argv[1], 0);
	direct = bind_device(argv[1], O_NONBLOCK);
	other = bind_device(argv[3], 0);
	events = watch(path);
	other_events = watch(argv[3]);
	say("ready");
	(void)sigwait(&set, &number);
	write_stalled(device, direct, argv[2]);
	write_other(other, other_events);
	say("written");
	(void)sigwait(&set, &number);
	expect_events("the mount", events, IN_CREATE | IN_ATTRIB); /* the latter: of the rescan */
	expect_lost(device);
	say("told");
	return 0;
}
