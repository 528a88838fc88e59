/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-device MOUNT: checks what the module's device refuses, and with which error; prints
 * differences. vm-device MOUNT umount: binds two devices and unmounts; both must then report that
 * the mount is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/guest.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void expect(const char *what, long r, long wanted)
{
	long got = r < 0 ? -errno : r;

	if (got == wanted)
		return;
	(void)printf("%s: %ld instead of %ld\n", what, got, wanted);
	failures++;
}

static int open_device(void)
{
	int fd = open(HW_GUEST_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		perror(HW_GUEST_DEVICE);
	return fd;
}

static int bind_to(int device, const char *path, int flags)
{
	__s32 fd = open(path, flags | O_CLOEXEC);
	int r = ioctl(device, HW_BIND, &fd), error = errno;

	(void)close(fd); /* nothing was written */
	errno = error;
	return r;
}

/* Makes a frame for a name that does not exist. */
static size_t make_frame(unsigned char *frame, const char *path)
{
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = HW_CREATE,
					.type = HW_TYPE_FILE,
					.seq = 1,
					.path = path,
					.path_len = (uint32_t)strlen(path) };
	int n = hw_frame_encode_event(frame, HW_FUSE_FRAME_MAX, HW_FUSE_NOTIFY_FSNOTIFY, &event);

	return n < 0 ? 0 : (size_t)n;
}

static int mount_make(const char *path, unsigned long propagation)
{
	return mount(NULL, path, NULL, propagation, NULL);
}

static void test_binding(const char *mount)
{
	char path[256];
	int device = open_device();
	__s32 closed = 1000;

	expect("a descriptor that is not open", ioctl(device, HW_BIND, &closed), -EBADF);
	expect("no descriptor", ioctl(device, HW_BIND, NULL), -EFAULT);
	expect("another request", ioctl(device, HW_BIND + 1, &closed), -ENOTTY);
	(void)snprintf(path, sizeof(path), "%s/file", mount);
	expect("a file", bind_to(device, path, O_PATH), -ENOTDIR);
	(void)snprintf(path, sizeof(path), "%s/a", mount);
	expect("a directory that is no mount", bind_to(device, path, O_PATH), -EINVAL);
	expect("a local filesystem", bind_to(device, "/tmp", O_PATH), -EOPNOTSUPP);
	expect("another local one", bind_to(device, "/proc", O_PATH), -EOPNOTSUPP);
	expect("the mount", bind_to(device, mount, O_RDONLY), 0);
	expect("the mount again", bind_to(device, mount, O_PATH), -EBUSY);
	(void)close(device);
}

/* The kernel's reason is not that the directory is no root of a mount. */
static void test_unbindable(const char *mount)
{
	int device = open_device();

	expect("unbindable", mount_make(mount, MS_UNBINDABLE), 0);
	expect("a mount that cannot be cloned", bind_to(device, mount, O_PATH), -EXDEV);
	expect("private", mount_make(mount, MS_PRIVATE), 0);
	(void)close(device);
}

static void test_frames(const char *mount)
{
	static unsigned char many[HW_GUEST_WRITE_MAX + 1];
	int device = open_device();
	size_t len = make_frame(many, "no/such"), all;

	expect("a frame before it is bound", write(device, many, len), -ENOTCONN);
	expect("the mount", bind_to(device, mount, O_PATH), 0);
	expect("nothing", write(device, many, 0), -EBADMSG);
	expect("a frame", write(device, many, len), (long)len);
	expect("half a frame", write(device, many, len / 2), -EBADMSG);
	expect("no memory", write(device, (void *)8, len), -EFAULT);
	for (all = len; all + len <= HW_GUEST_WRITE_MAX; all += len)
		memcpy(many + all, many, len);
	expect("as many as there may be", write(device, many, all), (long)all);
	expect("one byte more than that", write(device, many, HW_GUEST_WRITE_MAX + 1), -EBADMSG);
	expect("half a frame behind others", write(device, many, 5 * len + 3), (long)(5 * len));
	many[2 * len + 4] ^= 1;
	expect("a bad frame behind others", write(device, many, 4 * len), (long)(2 * len));
	expect("a bad frame", write(device, many + 2 * len, 2 * len), -EBADMSG);
	many[4] = 0;
	(void)close(device);
}

static void test_requests(const char *mount)
{
	static unsigned char data[4096];
	struct hw_guest_buffer buffer = { .data = (uintptr_t)data, .size = sizeof(data) };
	struct hw_guest_buffer path = { .data = (uintptr_t) "../a", .size = 4 };
	struct hw_guest_watched watched = { .size = 0 };
	int device = open_device(), watcher = inotify_init1(IN_CLOEXEC);
	struct hw_guest_object object;
	struct hw_guest_seen seen;
	unsigned char frame[HW_FUSE_FRAME_MAX];
	size_t len = make_frame(frame, "file");
	char name[256];
	struct stat st;

	expect("states before it is bound", ioctl(device, HW_GET_SEEN, &buffer), -ENOTCONN);
	expect("watches before it is bound", ioctl(device, HW_GET_WATCHED, &watched), -ENOTCONN);
	expect("a refresh before it is bound", ioctl(device, HW_REFRESH, &path), -ENOTCONN);
	expect("the mount", bind_to(device, mount, O_PATH), 0);
	expect("no states", ioctl(device, HW_GET_SEEN, &buffer), 0);
	expect("a path that leaves the mount", ioctl(device, HW_REFRESH, &path), -EBADMSG);
	path.size = HW_PATH_MAX + 1;
	expect("a path that is too long", ioctl(device, HW_REFRESH, &path), -EBADMSG);
	path = (struct hw_guest_buffer){ .data = 8, .size = 4 };
	expect("a path without memory", ioctl(device, HW_REFRESH, &path), -EFAULT);
	path = (struct hw_guest_buffer){ .data = (uintptr_t) "a", .size = 1, .reserved = 1 };
	expect("a reserved member", ioctl(device, HW_REFRESH, &path), -EINVAL);
	path.reserved = 0;
	expect("a refresh", ioctl(device, HW_REFRESH, &path), 0);
	path.size = 0;
	expect("a refresh of the root", ioctl(device, HW_REFRESH, &path), 0);
	expect("no argument", ioctl(device, HW_GET_WATCHED, NULL), -EFAULT);
	watched.size = HW_GUEST_WATCHED_MAX + 1;
	expect("a buffer that is too large", ioctl(device, HW_GET_WATCHED, &watched), -EINVAL);
	watched = (struct hw_guest_watched){ .data = (uintptr_t)data, .size = sizeof(object) };
	expect("watch", inotify_add_watch(watcher, mount, IN_CREATE), 1);
	(void)snprintf(name, sizeof(name), "%s/a", mount);
	expect("another watch", inotify_add_watch(watcher, name, IN_CREATE), 2);
	expect("a buffer for one of two", ioctl(device, HW_GET_WATCHED, &watched), -ENOSPC);
	watched.size = sizeof(data);
	expect("the watches", ioctl(device, HW_GET_WATCHED, &watched), 2 * sizeof(object) + 8);
	memcpy(&object, data, sizeof(object));
	if (object.path_len == 0)
		memcpy(&object, data + sizeof(object), sizeof(object));
	expect("the path", object.path_len, 1);
	expect("a frame", write(device, frame, len), (long)len);
	expect("its state", ioctl(device, HW_GET_SEEN, &buffer), 1);
	memcpy(&seen, data, sizeof(seen));
	(void)snprintf(name, sizeof(name), "%s/file", mount);
	expect("stat", stat(name, &st), 0);
	expect("the inode", seen.ino == st.st_ino, 1);
	expect("the times", seen.mtime_ns == st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
	       1);
	buffer.size = sizeof(seen) - 1;
	expect("no room for a state", ioctl(device, HW_GET_SEEN, &buffer), 0);
	buffer = (struct hw_guest_buffer){ .data = 8, .size = sizeof(seen) };
	expect("states without memory", ioctl(device, HW_GET_SEEN, &buffer), -EFAULT);
	(void)close(watcher);
	(void)close(device);
}

/* The file of the event is gone: nothing else is reported as closed. */
static void test_device_inode(const char *mount)
{
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = HW_CLOSE_WRITE,
					.type = HW_TYPE_FILE,
					.seq = 1,
					.path = "gone",
					.path_len = 4 };
	int device = open_device(), watcher = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	unsigned char frame[HW_FUSE_FRAME_MAX];
	char buffer[4096];
	int len = hw_frame_encode_event(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &event);

	expect("the mount", bind_to(device, mount, O_PATH), 0);
	expect("a watch of it", inotify_add_watch(watcher, mount, IN_CLOSE_WRITE), 1);
	expect("a watch of the device", inotify_add_watch(watcher, HW_GUEST_DEVICE, IN_CLOSE_WRITE),
	       2);
	expect("an event", write(device, frame, (size_t)len), len);
	expect("one event and no other", read(watcher, buffer, sizeof(buffer)),
	       (long)sizeof(struct inotify_event) + 16);
	(void)close(watcher);
	(void)close(device);
}

static void test_rights(void)
{
	int status, dev = open("/dev", O_PATH | O_CLOEXEC); /* opened now, because other users may
							     * not search / */
	pid_t child = fork();

	if (child == 0) {
		if (chmod(HW_GUEST_DEVICE, 0666) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		_exit(openat(dev, "hostwatch", O_RDWR | O_CLOEXEC) < 0 && errno == EPERM ? 0 : 1);
	}
	if (waitpid(child, &status, 0) < 0)
		status = 1;
	expect("a user without rights", status, 0);
	expect("chmod", chmod(HW_GUEST_DEVICE, 0600), 0);
}

/* Until the device leaves the mount, it may still accept frames. */
static void expect_gone(const char *what, int device, const unsigned char *frame, size_t len)
{
	time_t end = time(NULL) + 30;
	long r;

	do
		r = write(device, frame, len);
	while (r >= 0 && time(NULL) < end);
	expect(what, r, -ENODEV);
	expect(what, write(device, frame, len), -ENODEV);
}

static void test_umount(const char *mount)
{
	unsigned char frame[HW_FUSE_FRAME_MAX];
	size_t len = make_frame(frame, "no/such");
	int one = open_device(), two = open_device();

	expect("one", bind_to(one, mount, O_PATH), 0);
	expect("two", bind_to(two, mount, O_PATH), 0);
	expect("a frame for one", write(one, frame, len), (long)len);
	expect("a frame for two", write(two, frame, len), (long)len);
	expect("umount", umount2(mount, 0), 0);
	expect_gone("a frame for one without the mount", one, frame, len);
	expect_gone("a frame for two without the mount", two, frame, len);
	expect("one is bound again", bind_to(one, "/tmp", O_PATH), -EBUSY);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (argc == 3) {
		test_umount(argv[1]);
	} else {
		test_binding(argv[1]);
		test_unbindable(argv[1]);
		test_device_inode(argv[1]);
		test_frames(argv[1]);
		test_requests(argv[1]);
		test_rights();
	}
	return failures ? 1 : 0;
}
