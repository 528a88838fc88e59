/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems whose server answers nothing. Call HW_NEED(hw_lacks_mounts()) before. */
#ifndef HW_TESTS_SILENCE_H
#define HW_TESTS_SILENCE_H

/* Mounts one at a name in a directory, as a directory or as a regular file. Returns the descriptor
 * of its server: when it is closed, each call about the filesystem fails. Skips the test if there
 * is no FUSE. */
int hw_silence_mount(int dir, const char *name);
int hw_silence_mount_file(int dir, const char *name);
/* Detaches what is mounted at a name. */
void hw_silence_unmount(int dir, const char *name);

#endif
