/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch plugins [NAME] */
#include "loader.h"
#include "option.h"
#include "tool.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	const char *path;
};

static const struct hw_arg args[] = {
	{ .name = "path",
	  .letter = 'p',
	  .type = HW_ARG_TEXT,
	  .value = "DIRS",
	  .help = "Directories, separated by colons, to search before the others.",
	  .offset = offsetof(struct settings, path),
	  .complete = HW_COMPLETE_DIR },
};

const struct hw_command_line tool_plugins_line = {
	.program = "hostwatch plugins",
	.summary = "installed plugins and their options",
	.synopsis = "[OPTION]... [NAME]",
	.about = "Lists the installed plugins, or the options of one: NAME is its name, or the "
		 "path of a .so file.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operands_max = 1,
	.complete = HW_COMPLETE_PLUGIN,
};

static void print_option(const struct hw_option *option)
{
	char text[256];

	printf("  %s", option->key);
	if (option->flags & HW_OPTION_REQUIRED)
		printf(" (required)");
	else if (option->value)
		printf(" = %s", option->value);
	printf("\n      %s\n      %s\n", option->help,
	       hw_option_describe(option, text, sizeof(text)));
}

static void print_plugin(const struct hw_module *module)
{
	const struct hw_plugin *plugin = &module->plugin;

	printf("%s: %s\n", plugin->name, plugin->summary);
	printf("  %s %s, ABI %u.%u, %s\n", hw_plugin_kind_name(plugin->kind), plugin->version,
	       plugin->abi_major, plugin->abi_minor, module->path);
	printf("%s\n", plugin->option_count ? "options:" : "no options");
	for (uint32_t i = 0; i < plugin->option_count; i++)
		print_option(plugin->options[i]);
}

static int list(struct hw_loader *loader, struct hw_errors *errors)
{
	const struct hw_module *module;
	const char *dir;

	if (hw_loader_load_all(loader, errors) < 0)
		return HW_EXIT_FAILURE;
	for (size_t i = 0; (module = hw_loader_get(loader, i)); i++)
		printf("%-10s %-8s %-8s %s\n", module->plugin.name,
		       hw_plugin_kind_name(module->plugin.kind), module->plugin.version,
		       module->plugin.summary);
	if (hw_loader_get(loader, 0))
		return EXIT_SUCCESS;
	fprintf(stderr, "hostwatch plugins: none found in:\n");
	for (size_t i = 0; (dir = hw_loader_dir(loader, i)); i++)
		fprintf(stderr, "  %s\n", dir);
	return HW_EXIT_FAILURE;
}

/* Names of plugins have no dot: "mine.so" is a file in the current directory. */
static int show(struct hw_loader *loader, const char *name, struct hw_errors *errors)
{
	const struct hw_module *module = NULL;
	bool is_file = strchr(name, '.') && !strchr(name, '/');
	char *path = NULL;
	int r = is_file && asprintf(&path, "./%s", name) < 0 ? -ENOMEM : 0;

	if (r == 0)
		r = hw_loader_load(loader, 0, path ? path : name, errors, &module);
	if (r == 0)
		print_plugin(module);
	free(path);
	return r < 0 ? HW_EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const char *path, const char *name)
{
	struct hw_errors errors = { 0 };
	struct hw_loader *loader;
	int status = HW_EXIT_FAILURE;

	if (hw_loader_create(&loader) < 0)
		return status;
	if (hw_loader_add_path(loader, path) == 0 && hw_loader_add_defaults(loader, NULL) == 0)
		status = name ? show(loader, name, &errors) : list(loader, &errors);
	for (size_t i = 0; i < errors.count; i++)
		(void)hw_args_failure(&tool_plugins_line, "%s", errors.lines[i]);
	if (errors.total)
		status = HW_EXIT_FAILURE;
	hw_errors_free(&errors);
	hw_loader_destroy(loader);
	return status;
}

int tool_plugins(int argc, char **argv)
{
	struct settings settings = { 0 };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_plugins_line, argc, argv, &settings, &operands);

	return status >= 0 ? status : run(settings.path, operands.count ? operands.items[0] : NULL);
}
