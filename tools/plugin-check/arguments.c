/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <limits.h>

#define ROUNDS_MAX 1000000u

#define FIELD(member) .offset = offsetof(struct hw_kit_arguments, member)

static const struct hw_arg args[] = {
	{ .name = "traces",
	  .letter = 't',
	  .type = HW_ARG_TEXT,
	  .value = "DIR",
	  .help = "Directory with the traces of the event model.",
	  FIELD(traces),
	  .complete = HW_COMPLETE_DIR },
	{ .name = "match",
	  .letter = 'm',
	  .type = HW_ARG_TEXT,
	  .value = "GLOB",
	  .help = "Only traces with such a name. none: no trace, and no comparison of events "
		  "with the disk; for a watcher whose events come from elsewhere.",
	  FIELD(match) },
	{ .name = "only",
	  .letter = 'o',
	  .type = HW_ARG_TEXT,
	  .value = "GLOB",
	  .help = "Only checks with such a name, besides the first three.",
	  FIELD(only) },
	{ .name = "rounds",
	  .letter = 'r',
	  .type = HW_ARG_NUMBER,
	  .value = "N",
	  .help = "How often the plugin is started and stopped (200).",
	  FIELD(rounds),
	  .min = 1,
	  .max = ROUNDS_MAX },
	{ .name = "verbose",
	  .letter = 'v',
	  .type = HW_ARG_FLAG,
	  .help = "Show the output of each check, also when it passes.",
	  FIELD(verbose) },
};

const struct hw_command_line tool_plugin_check_line = {
	.program = "hostwatch plugin-check",
	.summary = "run the conformance kit on a plugin",
	.synopsis = "[OPTION]... FILE [KEY=VALUE]...",
	.about = "Runs the conformance kit on the plugin FILE with these settings and prints the "
		 "result of each check (TAP).",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "FILE",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.complete = HW_COMPLETE_FILE,
};
