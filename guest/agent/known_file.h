/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What programs know of what they watch, in a file: between two runs of the agent, in one boot of
 * the guest. An agent that ends cleanly writes it; the next one reads and removes it. If events
 * were missed meanwhile and the host cannot send them any more, it reports the differences.
 */
#ifndef GUEST_KNOWN_FILE_H
#define GUEST_KNOWN_FILE_H

#include "known.h"

/* Replaces the file, which gets mode 0600. `dev`: the device of the mount. Not the inode of its
 * root, which FUSE changes when it asks the server for it. Returns 0; -EBUSY: differences are not
 * reported yet; -EEXIST: it is a file of another program; or another -errno, then there is no file.
 */
int hw_known_write(const struct hw_knowns *k, uint64_t dev, const char *path);
/*
 * Reads the file into an empty `k`, and removes it. Returns 0; -ENOENT; -EEXIST: it is a file of
 * another program, and stays; -ESTALE: it is of another boot or mount; -EBADMSG: its contents are
 * wrong; -ENOMEM: more than max_bytes; -errno. If it fails, some entries may have been added: free
 * `k`.
 */
int hw_known_read(struct hw_knowns *k, uint64_t dev, const char *path);

#endif
