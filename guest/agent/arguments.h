/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of hostwatch-guest. */
#ifndef GUEST_ARGUMENTS_H
#define GUEST_ARGUMENTS_H

#include "args.h"
#include "config.h"
#include <stdbool.h>

struct hw_arguments {
	const char *config; /* borrowed from argv, like all pointers here */
	const char *state;
	const char *probe;
	uint32_t log_level; /* enum hw_log_level; HW_ARGUMENT_ABSENT: as configured */
	uint32_t inject; /* of --channel; HW_ARGUMENT_ABSENT: module */
	struct hw_mount mount; /* of --channel */
	bool print, json, check;
};

#define HW_ARGUMENT_ABSENT UINT32_MAX

extern const struct hw_command_line hw_guest_line;

/* Returns -1 to continue, else an exit status. Sets all of *args. */
int hw_arguments_parse(int argc, char **argv, struct hw_arguments *args);

#endif
