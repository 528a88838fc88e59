/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch check FILE */
#include "core.h"
#include "errors.h"
#include "loop.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct hw_command_line tool_check_line = {
	.program = "hostwatch check",
	.summary = "find every mistake in a configuration",
	.synopsis = "FILE",
	.about = "Reads a configuration, loads the plugins it names and lets them check their "
		 "options. Prints every mistake as FILE:LINE: text and exits 78. If there is none, "
		 "it prints as FILE:LINE: warning: text where a share cannot be watched as "
		 "described, with the rights and limits of the user who runs the command, and "
		 "exits 0, or 1 if a share cannot be watched at all. Watches nothing.",
	.operand = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.complete = HW_COMPLETE_FILE,
};

static int check(const char *file)
{
	struct hw_errors errors = { 0 }, warnings = { 0 };
	struct hw_loop *loop = NULL;
	struct hw_core *core = NULL;
	int r;

	r = hw_loop_create(&loop);
	if (r == 0)
		r = hw_core_create(loop, file, &core);
	if (r == 0)
		r = hw_core_check(core, &errors, &warnings);
	hw_errors_print(&errors, stderr);
	hw_errors_print(&warnings, stderr);
	if (r < 0 && errors.total + warnings.total == 0)
		(void)hw_args_failure(&tool_check_line, "%s", strerror(-r));
	hw_errors_free(&errors);
	hw_errors_free(&warnings);
	hw_core_destroy(core);
	hw_loop_destroy(loop);
	if (r == -ENODEV)
		return HW_EXIT_FAILURE; /* there is no mistake, but the configuration would not
					 * start */
	return r < 0 ? HW_EXIT_CONFIG : EXIT_SUCCESS;
}

int tool_check(int argc, char **argv)
{
	struct hw_operands operands;
	int status = hw_args_parse(&tool_check_line, argc, argv, NULL, &operands);

	return status >= 0 ? status : check(operands.items[0]);
}
