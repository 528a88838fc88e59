/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operations of a trace, one system call each. README.md lists them. */
#ifndef HW_TESTS_OPS_H
#define HW_TESTS_OPS_H

#include "trace.h"
#include "world.h"

/* NULL: there is no such operation. */
const struct hw_verb *hw_verb_find(const char *name);
bool hw_verb_takes(const struct hw_verb *verb, unsigned args);
const char *hw_verb_usage(const struct hw_verb *verb);

/* Returns 0, or -errno of the system call that failed. */
int hw_op_run(struct hw_world *world, const struct hw_op *op);

/* Whether the operation opens a file or mounts something: both end with the mount that they were
 * done in. */
bool hw_op_needs_merged(const struct hw_op *op);

#endif
