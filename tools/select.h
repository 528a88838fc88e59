/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Selects the events that watch and tail show: their common options. */
#ifndef HW_SELECT_H
#define HW_SELECT_H

#include "args.h"
#include <hostwatch/filter.h>

#include <hostwatch/event.h>

struct hw_select {
	/* the options: see HW_SELECT_ARGS */
	uint32_t kinds; /* bit kind - 1; 0: all */
	struct hw_words excludes, exclude_files;
	uint64_t count; /* of events; 0: no limit */
	/* set by hw_select_prepare() */
	const char **patterns; /* owned array; strings borrowed from argv and texts */
	size_t pattern_count;
	struct hw_words texts; /* owned: lines of the files, including the strings */
	struct hw_filter filter;
};

/* Rows of an option table; `select` is the member of `settings` that takes the values. */
#define HW_SELECT_ARGS(settings, select, count_help)                                               \
	{ .name = "events",                                                                        \
	  .letter = 'E',                                                                           \
	  .type = HW_ARG_SET,                                                                      \
	  .value = "LIST",                                                                         \
	  .help = "Print only these events: create, delete, move, modify, attrib, close_write, "   \
		  "separated by commas. A rescan is always printed.",                              \
	  .offset = offsetof(settings, select.kinds),                                              \
	  .choices = "create|delete|move|modify|attrib|close_write|rescan" },                      \
		{ .name = "exclude",                                                               \
		  .letter = 'x',                                                                   \
		  .type = HW_ARG_TEXTS,                                                            \
		  .value = "GLOB",                                                                 \
		  .help = "Leave out names that match, as in .gitignore. May be repeated.",        \
		  .offset = offsetof(settings, select.excludes) },                                 \
		{ .name = "exclude-from",                                                          \
		  .type = HW_ARG_TEXTS,                                                            \
		  .value = "FILE",                                                                 \
		  .help = "Leave out names that match a line of FILE, which has the syntax of "    \
			  ".gitignore. May be repeated.",                                          \
		  .offset = offsetof(settings, select.exclude_files),                              \
		  .complete = HW_COMPLETE_FILE },                                                  \
	{                                                                                          \
		.name = "count", .letter = 'n', .type = HW_ARG_NUMBER, .value = "COUNT",           \
		.help = count_help, .offset = offsetof(settings, select.count), .min = 1,          \
	}

/*
 * Reads the files and checks all patterns. Returns -1 to continue, else an exit status after a line
 * on stderr: HW_EXIT_USAGE for a pattern of the command line, HW_EXIT_CONFIG for one of a file
 * (FILE:LINE: text), HW_EXIT_FAILURE for a file that cannot be read. The patterns of files come
 * first, so that those of the command line can include names again.
 */
int hw_select_prepare(struct hw_select *select, const struct hw_command_line *line);
void hw_select_free(struct hw_select *select);

/* Returns whether events of this kind are selected. */
bool hw_select_wants(const struct hw_select *select, unsigned kind);

#endif
