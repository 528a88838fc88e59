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
 * write(2) returns the number of bytes processed, always complete frames. It is less than requested
 * if a frame was refused or a signal terminated the program. If the first frame was refused, it
 * returns -1 and sets errno:
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
 *	EOPNOTSUPP	the filesystem is changed by this kernel only
 *	EBUSY		the device is already bound
 *	EPERM		the caller lacks CAP_SYS_ADMIN
 */
#define HW_BIND _IOW('h', 0x77, __s32)

#endif
