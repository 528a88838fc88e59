/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream of a share, compared with the disk. */
#ifndef HW_TESTS_STREAM_H
#define HW_TESTS_STREAM_H

struct hw_model;
struct hw_rig;

/* Applies all unread events to the model, which then has to equal the directory. Errors fail the
 * test. */
void hw_stream_check(struct hw_rig *rig, struct hw_model *model, const char *root);

#endif
