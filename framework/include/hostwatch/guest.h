/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a program in the guest hands events to its kernel: the device of hostwatch.ko. Kernel and
 * programs include it; hostwatch-guest(8) is the program.
 *
 * open(HW_GUEST_DEVICE, O_RDWR), ioctl(HW_BIND) once, then one write(2) for each frame as
 * <hostwatch/protocol.h> lays it out, with the code HW_FUSE_NOTIFY_FSNOTIFY. Hello frames are for
 *the channel and not for the device. write(2) returns the frame's length when programs were told,
 *or -1 and
 *
 *	EBADMSG		the frame is malformed, or a path leaves the mount
 *	ENOTCONN	the descriptor is not bound yet
 *	ENODEV		the mount is gone: close the device, bind again when it is back
 */
#ifndef HOSTWATCH_GUEST_H
#define HOSTWATCH_GUEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define HW_GUEST_DEVICE "/dev/hostwatch"

/*
 * Binds the open device to one mount: the argument points to a descriptor of the mount's root
 * directory (O_PATH is enough), which may be closed afterwards. EBADF, ENOTDIR; EINVAL: not the
 * root of a mount; EOPNOTSUPP: a filesystem that only this kernel changes; EBUSY: bound already;
 * EPERM without CAP_SYS_ADMIN.
 */
#define HW_BIND _IOW('h', 0x77, __s32)

#endif
