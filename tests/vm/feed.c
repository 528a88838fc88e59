/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-feed CHANNEL MOUNT: the shortest agent there can be. Says hello on the channel, binds the
 * mount, writes the event frames to the device as they come. Ends with the channel; does not
 * resume.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/guest.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned char input[2 * HW_FUSE_FRAME_MAX];
static size_t input_len;

static int die(const char *what)
{
	(void)fprintf(stderr, "vm-feed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int bind_mount(const char *path)
{
	int device = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	__s32 root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (device < 0 || root < 0)
		return die(device < 0 ? HW_GUEST_DEVICE : path);
	if (ioctl(device, HW_BIND, &root) < 0)
		return die("HW_BIND");
	(void)close(root); /* nothing was written */
	return device;
}

static void say_hello(int channel)
{
	struct hw_frame_hello hello = { .role = HW_FUSE_GUEST, .mask_supported = HW_FUSE_EVENTS };
	unsigned char frame[HW_FRAME_HELLO_MAX];
	int len = hw_frame_encode_hello(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &hello);

	if (len < 0 || write(channel, frame, (size_t)len) != len)
		(void)die("hello");
}

static void drop_input(size_t len)
{
	input_len -= len;
	memmove(input, input + len, input_len);
}

/* Until the host's hello all else is the tail of an older stream. */
static void feed(int device)
{
	static bool greeted;
	struct hw_frame frame;
	int len;

	if (!greeted)
		drop_input(hw_frame_find_hello(input, input_len, HW_FUSE_NOTIFY_FSNOTIFY));
	while ((len = hw_frame_decode(input, input_len, HW_FUSE_NOTIFY_FSNOTIFY, &frame, NULL)) >
	       0) {
		if (frame.what == HW_FRAME_HELLO)
			(void)puts("fed");
		else if (write(device, input, (size_t)len) != len)
			(void)die(HW_GUEST_DEVICE);
		greeted = true;
		drop_input((size_t)len);
	}
	if (len < 0) {
		errno = -len;
		(void)die("channel");
	}
}

/* Whatever the line says. */
static void print_counters(int device)
{
	char text[512], line[512], *save = NULL;
	ssize_t n = pread(device, text, sizeof(text) - 1, 0);

	if (n < 0 || read(STDIN_FILENO, line, sizeof(line)) < 0)
		(void)die("counters");
	text[n < 0 ? 0 : n] = '\0';
	for (char *word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save))
		(void)printf("fed.%s\n", word);
}

int main(int argc, char **argv)
{
	int channel, device;
	ssize_t n;

	if (argc != 3)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	device = bind_mount(argv[2]);
	channel = open(argv[1], O_RDWR | O_CLOEXEC);
	if (channel < 0)
		return die(argv[1]);
	say_hello(channel);
	for (;;) {
		struct pollfd fds[2] = { { .fd = channel, .events = POLLIN },
					 { .fd = STDIN_FILENO, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0)
			return die("poll");
		if (fds[1].revents)
			print_counters(device);
		if (!fds[0].revents)
			continue;
		n = read(channel, input + input_len, sizeof(input) - input_len);
		if (n <= 0)
			return n == 0 ? 0 : die(argv[1]);
		input_len += (size_t)n;
		feed(device);
	}
}
