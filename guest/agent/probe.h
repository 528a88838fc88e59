/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-guest --probe: what programs in this guest can be told of a mount, before anything
 * runs. */
#ifndef GUEST_PROBE_H
#define GUEST_PROBE_H

/* Prints to standard output. 0; 1 when the path is no directory; an exit status. */
int hw_probe(const char *path);

#endif
