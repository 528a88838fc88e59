/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch explain DIR */
#include "candidates.h"
#include "clean.h"
#include "loader.h"
#include "log.h"
#include "survey.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct hw_command_line tool_explain_line = {
	.program = "hostwatch explain",
	.summary = "which watcher each filesystem would get, and why",
	.synopsis = "DIR",
	.about = "Says for each filesystem at or below DIR which watcher 'hostwatch watch' would "
		 "use there, how, and why it would not use the others. The rights of the user who "
		 "runs it decide.",
	.operand = "DIR",
	.operands_min = 1,
	.operands_max = 1,
	.complete = HW_COMPLETE_DIR,
};

static void print_candidate(const struct hw_survey_candidate *candidate, bool chosen)
{
	char clean[1024];

	hw_clean(clean, sizeof(clean), candidate->text);
	if (!candidate->works)
		printf("  %-9s no: %s\n", candidate->name, clean);
	else if (!chosen)
		printf("  %-9s would also work%s%s\n", candidate->name, *clean ? ": " : "", clean);
	else if (*clean)
		printf("  %-9s %s\n", candidate->name, clean);
}

static void print_filesystem(const struct hw_survey_filesystem *fs)
{
	char path[512], type[64];

	hw_quote(path, sizeof(path), fs->path, strlen(fs->path));
	hw_quote(type, sizeof(type), fs->type, strlen(fs->type));
	if (fs->error)
		printf("%s %s: %s\n", path, type, strerror(-fs->error));
	else
		printf("%s %s: %s\n", path, type,
		       fs->first < fs->count ? fs->candidates[fs->first].name : "no watcher");
	for (size_t i = 0; i < fs->count; i++)
		print_candidate(&fs->candidates[i], i == fs->first);
}

/* Returns an exit status. */
static int explain(struct hw_share *share)
{
	struct hw_share_status status;
	struct hw_survey survey;
	int r = hw_survey_share(share, &survey);

	hw_share_get_status(share, &status);
	if (r < 0)
		return hw_args_failure(&tool_explain_line, "%s", status.why);
	for (size_t i = 0; i < survey.count; i++)
		print_filesystem(&survey.filesystems[i]);
	hw_survey_free(&survey);
	return EXIT_SUCCESS;
}

static int run(const char *dir)
{
	const struct hw_share_config config = { .name = "explain", .path = dir };
	struct hw_loader *loader = NULL;
	struct hw_loop *loop = NULL;
	struct hw_share *share = NULL;
	int r, status = HW_EXIT_FAILURE;

	r = hw_loop_create(&loop);
	if (r == 0)
		r = hw_loader_create(&loader);
	if (r == 0)
		r = hw_loader_add_defaults(loader, NULL);
	if (r == 0)
		r = hw_share_create(loop, &config, &share);
	if (r == 0)
		r = hw_candidates_add(share, loop, loader, "auto", NULL);
	if (r == 0)
		status = explain(share);
	else
		(void)hw_args_failure(&tool_explain_line, "%s", strerror(-r));
	hw_share_destroy(share);
	hw_loader_destroy(loader);
	hw_loop_destroy(loop);
	return status;
}

int tool_explain(int argc, char **argv)
{
	struct hw_operands operands;
	int status = hw_args_parse(&tool_explain_line, argc, argv, NULL, &operands);

	return status >= 0 ? status : run(operands.items[0]);
}
