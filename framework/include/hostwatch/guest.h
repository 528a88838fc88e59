/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a program in the guest hands events to its kernel: the device of hostwatch.ko. Kernel and
 * programs include it; hostwatch-guest(8) is the program.
 *
 * open(HW_GUEST_DEVICE, O_RDWR), ioctl(HW_BIND) once, then write(2) with frames as
 * <hostwatch/protocol.h> lays them out, with the code HW_FUSE_NOTIFY_FSNOTIFY, one behind the other
 * and whole, HW_GUEST_WRITE_MAX bytes at most in a call. Hello frames are for the channel and not
 * for the device. write(2) returns how many bytes were taken, whole frames always, less than all of
 * them before one that is refused or when a signal ends the program; or, of the first frame, -1 and
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
#define HW_GUEST_WRITE_MAX 65536u /* bytes of a write */

/*
 * Binds the open device to one mount: the argument points to a descriptor of the mount's root
 * directory (O_PATH is enough), which may be closed afterwards. EBADF, ENOTDIR; EINVAL: not the
 * root of a mount; EOPNOTSUPP: a filesystem that only this kernel changes; EBUSY: bound already;
 * EPERM without CAP_SYS_ADMIN.
 */
#define HW_BIND _IOW('h', 0x77, __s32)

#endif
