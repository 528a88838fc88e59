/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "silent_session.h"

#include "silent.h"

#include <errno.h>
#include <linux/fuse.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

int serve_until_silent(struct fuse_session *session, const char *file)
{
	struct fuse_buf buf = { .size = 0 };
	int r;

	while (!fuse_session_exited(session)) {
		r = fuse_session_receive_buf(session, &buf);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r;
		silent_at(file, ((const struct fuse_in_header *)buf.mem)->opcode);
		fuse_session_process_buf(session, &buf);
	}
	return 0;
}
