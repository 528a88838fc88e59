/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of hostwatch-guest. */
#ifndef GUEST_ARGUMENTS_H
#define GUEST_ARGUMENTS_H

#include "config.h"
#include <stdbool.h>

struct hw_arguments {
	const char *config; /* all borrowed from argv */
	const char *state;
	const char *probe;
	const char *log_level;
	struct hw_mount mount; /* of --channel */
	bool print, json, check;
};

extern const char hw_usage[];

/* The index of a word, -1 when it is none of them. */
int hw_find_word(const char *const *words, size_t count, const char *word);

/* 0; 'h' or 'V' when help or the version is asked for; -EINVAL. *args has its defaults before. */
int hw_arguments_parse(int argc, char **argv, struct hw_arguments *args);

#endif
