/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structures that are passed between the host and a plugin, which may have been built with an older
 * or a newer header. Each begins with a uint32_t struct_size. Any thread. */
#ifndef HW_SIZED_H
#define HW_SIZED_H

#include <stdbool.h>
#include <stddef.h>

#define HW_SIZED_MAX 4096u /* bytes; a larger struct_size is uninitialized */

/* The size of a structure in the first release, whose last member was `member`. */
#define HW_SIZE_THROUGH(type, member)                                                              \
	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))

/* Returns whether the struct_size of the plugin's structure is between `least` and HW_SIZED_MAX. */
bool hw_sized_is_valid(const void *of_plugin, size_t least);
/* Copies a valid structure of the plugin into the host's, which has `known` bytes. Members that the
 * plugin lacks become 0; members that the host does not know are skipped. */
void hw_sized_read(void *of_host, size_t known, const void *of_plugin);
/* Copies the host's structure into a valid one of the plugin, whose struct_size is unchanged.
 * Members that the host does not know become 0. */
void hw_sized_write(void *of_plugin, const void *of_host, size_t known);
/* Returns whether all bytes after the first `known` are 0. */
bool hw_sized_rest_is_zero(const void *of_plugin, size_t known);

#endif
