/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Privileges, mounts and limits that tests need, with the reason if they are not available. */
#ifndef HW_HOSTILE_WORLD_H
#define HW_HOSTILE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* world_need_x() skips the running test and prints the reason if the machine lacks a feature. */
/* "nobody" can run the program and enter `dir`, the directory of the test. */
void world_need_nobody(const char *dir);
/* Filesystems can be mounted, invisible to other processes. */
void world_need_mounts(void);
/* Returns whether the watcher works on the filesystem of `dir`. It is tried on a new empty
 * directory there, because on the share it might fail for the reason under test. */
bool world_has_watcher(const char *name, const char *dir);

/* Makes a scratch directory on disk that all users may enter. Fails the test on error. */
char *world_scratch(void);
/* Returns a formatted path below a directory, in a static buffer (the last four remain valid). */
const char *world_path(const char *dir, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void world_mkdir(const char *path);
void world_write(const char *path, const char *text);
/* Mounts a tmpfs of this many bytes (0: default size of the kernel). */
void world_mount_tmpfs(const char *path, unsigned long bytes);
void world_bind(const char *from, const char *to);

/* Returns a number in /proc/sys. */
unsigned long world_read_limit(const char *path);
/* Returns false if the limit cannot be written. */
bool world_write_limit(const char *path, unsigned long value);

/* A program_prepare_fn: becomes "nobody" without any privileges of root. arg: NULL. */
void world_become_nobody(void *arg);

#endif
