/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The results of hostwatch explain, and their two output formats. */
#ifndef HW_TOOL_EXPLAIN_H
#define HW_TOOL_EXPLAIN_H

#include "config.h"
#include "select.h"
#include "survey.h"
#include <stdio.h>

struct hw_explain_settings {
	const char *config; /* NULL: explain directories */
	const char *watchers; /* NULL: auto */
	uint64_t interval_ns; /* 0: the default */
	struct hw_select select; /* only its excludes are used */
	bool no_count, json;
};

/* One share, or a directory of the command line. */
struct hw_explained {
	const char *name; /* borrowed; NULL: a directory of the command line */
	const char *path; /* borrowed: as given */
	struct hw_share *share; /* owned; the survey borrows from it */
	struct hw_survey survey; /* owned */
	char *error; /* owned: the reason why it cannot be watched; NULL: it can be watched */
};

/* All explained shares. */
struct hw_explaining {
	struct hw_explain_settings settings;
	struct hw_loop *loop; /* owned */
	struct hw_loader *loader; /* owned */
	struct hw_config *config; /* owned; NULL: there is no configuration */
	struct hw_quotas quotas;
	struct hw_explained *list; /* owned */
	size_t count;
};

/* Adds an entry to the list. Returns NULL if memory is short. */
struct hw_explained *hw_explain_add(struct hw_explaining *e, const char *name, const char *path);
/* Surveys explained->share. Returns an exit status; errors were written to stderr. */
int hw_explain_survey(struct hw_explaining *e, struct hw_explained *explained);
/* Returns whether a signal ended the counting. */
bool hw_explain_interrupted(void);
/* Explains the shares of the configuration, or the share called `name`. Returns an exit status. */
int hw_explain_config(struct hw_explaining *e, const char *name);

/* Prints for people: lines of at most 80 columns. */
void hw_explain_print(const struct hw_explained *explained, FILE *to);
/* Prints one JSON object for all. file: the configuration; NULL: there is none. */
void hw_explain_print_json(const char *file, const struct hw_explained *list, size_t count,
			   FILE *to);

/* Returns the value that a limit needs for everything that was counted. */
uint64_t hw_explain_raised(const struct hw_quota *quota, uint64_t lacking);
/* Returns the percentage of one CPU that scanning uses if a candidate gets its directories. */
double hw_explain_cpu_percent(const struct hw_survey_filesystem *fs,
			      const struct hw_survey_candidate *candidate);
/* Returns the time of one scan of the directories that the candidate gets, or of all directories if
 * it gets none. */
uint64_t hw_explain_scan_ns(const struct hw_survey_filesystem *fs,
			    const struct hw_survey_candidate *candidate);
/* Returns the candidate that watches a path of the share; NULL: unknown. */
const struct hw_survey_candidate *hw_explain_watcher_of(const struct hw_survey *survey,
							const char *path);

#endif
