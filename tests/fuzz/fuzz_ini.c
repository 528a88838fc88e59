/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files: first their lines, then their meaning. Mistakes must be reported in the
 * correct form. */
#include "config.h"
#include "inifile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "a b"
#define QUOTED "a b:" /* no byte of it needs quotes */

static unsigned count_lines(const uint8_t *data, size_t size)
{
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

static void check_errors(const struct hw_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		assert(strlen(errors->lines[i]) <= HW_ERRORS_LINE_MAX);
		for (const char *at = errors->lines[i]; *at; at++)
			assert((unsigned char)*at >= ' ' && *at != 0x7f);
	}
}

static void check_sections(const struct hw_ini *ini, unsigned lines)
{
	unsigned last = 0;

	assert(ini->count <= HW_INI_SECTIONS_MAX);
	for (size_t i = 0; i < ini->count; i++) {
		const struct hw_ini_section *section = &ini->sections[i];

		assert(section->line > last && section->line <= lines);
		last = section->line;
		assert(*section->kind && strlen(section->kind) <= HW_INI_NAME_MAX);
		assert(strlen(section->name) <= HW_INI_NAME_MAX);
		for (size_t j = 0; j < section->count; j++) {
			assert(section->lines[j] > last && section->lines[j] <= lines);
			last = section->lines[j];
			assert(*section->settings[j].key);
			assert(strlen(section->settings[j].value) <= HW_INI_LINE_MAX);
		}
	}
}

static void read_lines(const uint8_t *data, size_t size)
{
	FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "r") : fopen("/dev/null", "re");
	struct hw_errors errors = { 0 };
	struct hw_ini ini;
	int r;

	assert(file);
	r = hw_ini_read(file, NAME, &errors, &ini);
	assert(r == 0 || errors.total > 0);
	check_errors(&errors);
	for (size_t i = 0; i < errors.count; i++)
		assert(strncmp(errors.lines[i], QUOTED, strlen(QUOTED)) == 0);
	check_sections(&ini, count_lines(data, size));
	hw_ini_free(&ini);
	hw_errors_free(&errors);
	(void)fclose(file); /* only read */
}

static void read_meaning(const uint8_t *data, size_t size)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	struct hw_errors errors = { 0 };
	struct hw_config *config = NULL;
	struct hw_loader *loader;
	char path[64];

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	assert(hw_loader_create(&loader) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = hw_config_read(path, loader, &errors, &config);

	assert(r == 0 ? config != NULL : errors.total > 0);
	hw_errors_sort(&errors);
	check_errors(&errors);
	if (r == 0)
		hw_config_free(config);
	hw_loader_destroy(loader);
	hw_errors_free(&errors);
	(void)close(fd); /* the file is in memory */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_lines(data, size);
	/* The configuration chooses where plugins are loaded from: skip inputs that might name a
	 * path. */
	if (!memmem(data, size, "plugin", 6) && !memmem(data, size, ".so", 3))
		read_meaning(data, size);
	return 0;
}
