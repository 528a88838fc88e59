/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of fuse-posix, and what they have in common. */
#ifndef FUSE_POSIX_H
#define FUSE_POSIX_H

#define USER 65534u
#define OTHER 65533u

/* Prints the call and its result, or error. */
#define SAY(call) say(#call, (long long)(call))
/* As SAY, and closes the descriptor. */
#define SAY_OPEN(call) say_open(#call, (call))

void say(const char *call, long long result);
void say_open(const char *call, int fd);
/* Writes the file. */
void put(const char *name, const char *text);
/* Prints the contents, the attributes, the times. */
void show_text(const char *name);
void show(const char *name);
void show_times(const char *name);

void open_flags(void);
void long_names(void);
void appending(void);
void appending_together(void);
void sizes(void);
void sparse(void);
void direct(void);
void mapped(void);
void renames(void);
void links(void);
void unlinked(void);
void listings(void);
void modes(void);
void times(void);
void extended_attributes(void);
void users(void);
void access_lists(void);
void locks(void);
void filesystem(void);

#endif
