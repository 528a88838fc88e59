/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch plugins [NAME] */
#include "loader.h"
#include "option.h"
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: hostwatch plugins [--path DIRS] [NAME]\n"
	"\n"
	"Lists the plugins that are found, or the options of one (a name, or the path of a .so "
	"file).\n"
	"\n"
	"  -p, --path DIRS  directories, separated by colons, to search before the others\n"
	"  -h, --help       this text\n";

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

static int show(struct hw_loader *loader, const char *name, struct hw_errors *errors)
{
	const struct hw_module *module;

	if (hw_loader_load(loader, 0, name, errors, &module) < 0)
		return HW_EXIT_FAILURE;
	print_plugin(module);
	return EXIT_SUCCESS;
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
	hw_errors_print(&errors, stderr);
	if (errors.total)
		status = HW_EXIT_FAILURE;
	hw_errors_free(&errors);
	hw_loader_destroy(loader);
	return status;
}

int tool_plugins(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "path", required_argument, NULL, 'p' },
		{ 0 },
	};
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "hp:", options, NULL)) != -1) {
		if (c == 'p') {
			path = optarg;
			continue;
		}
		fputs(usage, c == 'h' ? stdout : stderr);
		return c == 'h' ? EXIT_SUCCESS : HW_EXIT_USAGE;
	}
	if (argc - optind > 1) {
		fputs(usage, stderr);
		return HW_EXIT_USAGE;
	}
	return run(path, argv[optind]);
}
