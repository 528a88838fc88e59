/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch check FILE */
#include "core.h"
#include "errors.h"
#include "loop.h"
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: hostwatch check FILE\n"
	"\n"
	"Reads a configuration, loads the plugins it names and lets them check their options. "
	"Prints every\n"
	"mistake as FILE:LINE: text and exits 78; prints nothing and exits 0 when there is none.\n";

static int check(const char *file)
{
	struct hw_errors errors = { 0 };
	struct hw_loop *loop = NULL;
	struct hw_core *core = NULL;
	int r;

	r = hw_loop_create(&loop);
	if (r == 0)
		r = hw_core_create(loop, file, &core);
	if (r == 0)
		r = hw_core_check(core, &errors);
	hw_errors_print(&errors, stderr);
	if (r < 0 && errors.total == 0)
		fprintf(stderr, "hostwatch check: %s\n", strerror(-r));
	hw_errors_free(&errors);
	hw_core_destroy(core);
	hw_loop_destroy(loop);
	return r < 0 ? HW_EXIT_CONFIG : EXIT_SUCCESS;
}

int tool_check(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h')
			return HW_EXIT_USAGE;
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return HW_EXIT_USAGE;
	}
	return check(argv[optind]);
}
