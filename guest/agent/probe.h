/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-guest --probe: shows the events that programs in this guest can receive for a mount,
 * before anything runs. */
#ifndef GUEST_PROBE_H
#define GUEST_PROBE_H

/* Prints to standard output. Returns 0, or an exit status; 1 if the path is not a directory. */
int hw_probe(const char *path);

#endif
