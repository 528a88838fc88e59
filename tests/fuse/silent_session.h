/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* silent.h for servers that use libfuse. */
#ifndef HW_TESTS_FUSE_SILENT_SESSION_H
#define HW_TESTS_FUSE_SILENT_SESSION_H

struct fuse_session;

/* Serves one request at a time: while one is not answered, none is. Returns 0 or -errno when the
 * filesystem is unmounted. It may not be given requests in pipes (FUSE_CAP_SPLICE_READ). */
int serve_until_silent(struct fuse_session *session, const char *file);

#endif
