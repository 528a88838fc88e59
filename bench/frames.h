/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of a virtiofs channel. An error ends the program. */
#ifndef HW_BENCH_FRAMES_H
#define HW_BENCH_FRAMES_H

#include <hostwatch/wire.h>
#include <stddef.h>

/* Connects to the sink, which listens at the path, and sends the guest's hello. The caller owns the
 * descriptor. */
int frames_connect(const char *path);

/*
 * Replaces `lines` by a JSON line for each complete frame of `len` bytes at `bytes`, as of
 * `hostwatch watch --json`, but without the time, which frames do not carry. Moves the rest to the
 * beginning of `bytes` and returns its length.
 */
size_t frames_take(unsigned char *bytes, size_t len, struct hw_buf *lines);

#endif
