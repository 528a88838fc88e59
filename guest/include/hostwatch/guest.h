/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device of hostwatch.ko, through which a program in a guest passes events to its kernel. The
 * module and the program (hostwatch-guest(8)) include this header.
 *
 * A program opens HW_GUEST_DEVICE with O_RDWR, calls ioctl(HW_BIND) once, and then calls write(2)
 * with event frames as <hostwatch/protocol.h> defines them, with the code HW_FUSE_NOTIFY_FSNOTIFY.
 * One write may contain several complete frames, up to HW_GUEST_WRITE_MAX bytes. Hello frames are
 * not written to the device.
 *
 * write(2) returns the number of bytes accepted, always complete frames. It is less than requested
 * if a frame was refused. The module processes frames in their order. write(2) waits for that, but
 * not with O_NONBLOCK, not after a signal, and not if the server of the mount has not answered for
 * a second. Frames that were accepted are processed in any case, also after the device was closed.
 * If the server does not answer, and the program writes more than the module keeps (1 MiB), a
 * rescan of the root replaces all of them. If the first frame was refused, write(2) returns -1 and
 * sets errno:
 *
 *	EBADMSG		the frame is malformed, or a path leaves the mount
 *	ENOTCONN	the descriptor is not bound yet
 *	ENODEV		the mount is gone; close the device and bind again when it is back
 */
#ifndef HOSTWATCH_GUEST_H
#define HOSTWATCH_GUEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define HW_GUEST_DEVICE "/dev/hostwatch"
#define HW_GUEST_WRITE_MAX 65536u /* bytes of one write */

/*
 * Binds the open device to one mount. The argument points to a descriptor of the root directory of
 * the mount (O_PATH is sufficient), which may be closed afterwards. Errors:
 *
 *	EBADF, ENOTDIR	the argument is not a descriptor of a directory
 *	EINVAL		the directory is not the root of a mount
 *	EXDEV		the kernel makes no copy of this mount: it is unbindable, belongs to
 *			another mount namespace, or hides mounts of another user namespace
 *	EOPNOTSUPP	the filesystem is changed by this kernel only
 *	EBUSY		the device is already bound
 *	EPERM		the caller lacks CAP_SYS_ADMIN
 */
#define HW_BIND _IOW('h', 0x77, __s32)

/*
 * The remaining requests serve a program that keeps a copy of the watched directories, to find out
 * which changes were not reported. They fail with ENOTCONN and ENODEV like write(2), with EFAULT,
 * with EINVAL if a reserved member is not 0, and with EINTR.
 */

/* Memory of the program. */
struct hw_guest_buffer {
	__u64 data; /* its address */
	__u32 size; /* in bytes */
	__u32 reserved; /* 0 */
};

/*
 * The state of the entry of one event, as it was before the event was reported: programs have been
 * notified of everything that it contains. For a move, the entry with the new name.
 */
struct hw_guest_seen {
	__u64 ino; /* 0: not known, because no program watches the entry, or because it is gone */
	__u64 size;
	__s64 mtime_ns, ctime_ns;
	__u32 mode, uid, gid, nlink;
};

/* Stores one struct hw_guest_seen for each frame that the last write(2) accepted, in their order.
 * Returns their number, less if the buffer is too small, and 0 until all of them are processed. */
#define HW_GET_SEEN _IOW('h', 0x78, struct hw_guest_buffer)

/* A watched object, followed by path_len bytes of its path below the mount, and by padding to a
 * multiple of 8 bytes. Objects outside a bind mount are omitted. */
struct hw_guest_object {
	__u64 ino;
	__u32 mode;
	__u32 path_len; /* 0: the root; HW_GUEST_NO_PATH: no name is cached, or it is too long */
};
#define HW_GUEST_NO_PATH 0xffffffffu

struct hw_guest_watched {
	__u64 data; /* address of a buffer; not used if size is 0 */
	__u32 size; /* of the buffer, in bytes, at most HW_GUEST_WATCHED_MAX */
	__u32 reserved; /* 0 */
	/* Set by the request: */
	__u32 count; /* changes when the first watch of an object is added, or its last is removed
		      */
	__u32 everything; /* 1: a program watches the whole filesystem or mount */
};
#define HW_GUEST_WATCHED_MAX (64u << 20)

/* Stores the watched objects in the buffer. Returns the number of bytes; without a buffer, it only
 * sets `count` and `everything`. ENOSPC: the buffer is too small. */
#define HW_GET_WATCHED _IOWR('h', 0x79, struct hw_guest_watched)

/* Brings the caches at and below a path, which has `size` bytes, up to date, like a rescan frame,
 * but reports only the end of watched objects that were deleted. EBADMSG: the path is invalid.
 * EAGAIN: the server has not answered for a second; the request continues. */
#define HW_REFRESH _IOW('h', 0x7a, struct hw_guest_buffer)

#endif
