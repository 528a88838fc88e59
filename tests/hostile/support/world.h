/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rights, mounts and limits that tests need, with the reason when they are not to be had. */
#ifndef HW_HOSTILE_WORLD_H
#define HW_HOSTILE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Skip the running test, and print why, if the machine lacks something. */
/* "nobody" can run the program and enter `dir`, the directory of the test. */
void world_need_nobody(const char *dir);
/* Mounts are possible, and unseen by other processes. */
void world_need_mounts(void);
/* Does it work on the filesystem of `dir`? Asked of a plain directory that is made there: what is
 * under test may be why it fails on the share. */
bool world_has_watcher(const char *name, const char *dir);

/* A scratch directory on disk, or the one given; everybody may enter. Fails the test. */
char *world_scratch(void);
/* A formatted path below a directory, in a static buffer (the last four stay valid). */
const char *world_path(const char *dir, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void world_mkdir(const char *path);
void world_write(const char *path, const char *text);
/* Mounts a tmpfs of that many bytes (0: as the kernel likes). */
void world_mount_tmpfs(const char *path, unsigned long bytes);
void world_bind(const char *from, const char *to);

/* A number in /proc/sys. */
unsigned long world_read_limit(const char *path);
/* False when it may not be written. */
bool world_write_limit(const char *path, unsigned long value);

/* For program_prepare_fn: this user, and nothing of root's rights. arg: NULL. */
void world_become_nobody(void *arg);

#endif
