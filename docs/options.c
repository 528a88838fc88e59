/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints every configuration key there is, one a line: table, key, type, default, help, separated
 * by tabs. The man page is made from it: docs/expand.awk. Arguments: the plugins to ask, as paths.
 */
#include "config.h"
#include "loader.h"
#include "option.h"

#include <stdio.h>

static void print_table(const char *name, const struct hw_option_table *table)
{
	char type[256];

	for (size_t i = 0; i < table->count; i++) {
		const struct hw_option *option = table->options[i];

		printf("%s\t%s\t%s\t%s\t%s\n", name, option->key,
		       hw_option_describe(option, type, sizeof(type)),
		       option->flags & HW_OPTION_REQUIRED ? "(required)"
		       : option->value                    ? option->value
							  : "(none)",
		       option->help);
	}
}

static int print_plugin(struct hw_loader *loader, const char *path)
{
	const struct hw_module *module;
	struct hw_option_table table;
	int r = hw_loader_load(loader, 0, path, NULL, &module);

	if (r < 0)
		return r;
	table = (struct hw_option_table){ module->plugin.options, module->plugin.option_count };
	print_table(module->plugin.name, &table);
	return 0;
}

int main(int argc, char **argv)
{
	struct hw_loader *loader;
	int r = hw_loader_create(&loader);

	if (r < 0)
		return 1;
	print_table("hostwatch", &hw_config_global_options);
	print_table("share", &hw_config_share_options);
	for (int i = 1; i < argc && r == 0; i++)
		r = print_plugin(loader, argv[i]);
	hw_loader_destroy(loader);
	return r < 0 || fflush(stdout) != 0;
}
