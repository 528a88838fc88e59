/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sized.h"

#include <stdint.h>
#include <string.h>

static size_t size_of(const void *of_plugin)
{
	uint32_t size;

	memcpy(&size, of_plugin, sizeof(size));
	return size;
}

bool hw_sized_is_valid(const void *of_plugin, size_t least)
{
	size_t size = size_of(of_plugin);

	return size >= least && size <= HW_SIZED_MAX;
}

void hw_sized_read(void *of_host, size_t known, const void *of_plugin)
{
	size_t size = size_of(of_plugin);
	uint32_t ours = (uint32_t)known;

	memset(of_host, 0, known);
	memcpy(of_host, of_plugin, size < known ? size : known);
	memcpy(of_host, &ours, sizeof(ours));
}

void hw_sized_write(void *of_plugin, const void *of_host, size_t known)
{
	const size_t stamp = sizeof(uint32_t);
	size_t size = size_of(of_plugin);

	memcpy((char *)of_plugin + stamp, (const char *)of_host + stamp,
	       (size < known ? size : known) - stamp);
	if (size > known)
		memset((char *)of_plugin + known, 0, size - known);
}

bool hw_sized_rest_is_zero(const void *of_plugin, size_t known)
{
	const char *bytes = of_plugin;

	for (size_t i = known; i < size_of(of_plugin); i++)
		if (bytes[i])
			return false;
	return true;
}
