/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that the writer keeps open while its names change. */
#include "writer_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int hw_writer_release(struct writer *w, char *a, char *b)
{
	int fd = w->held;

	(void)a;
	(void)b;
	w->held = -1;
	return fd < 0 ? -1 : close(fd);
}

int hw_writer_hold(struct writer *w, char *a, char *b)
{
	struct stat st;

	(void)hw_writer_release(w, a, b); /* if there is one */
	hw_writer_pick_old(w, "share", a);
	w->held = open(a, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (w->held < 0)
		return -1;
	if (!fstat(w->held, &st) && S_ISREG(st.st_mode))
		return 0;
	(void)hw_writer_release(w, a, b);
	return -1;
}

int hw_writer_write_held(struct writer *w, char *a, char *b)
{
	(void)b;
	(void)snprintf(a, PATH_BYTES, "held"); /* fits */
	if (w->held < 0 || hw_writer_note_written(w, w->held))
		return -1;
	return write(w->held, "held", 4) == 4 ? 0 : -1;
}
