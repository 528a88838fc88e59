/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The results of hostwatch explain, and the two forms in which it prints them. */
#ifndef HW_TOOL_EXPLAIN_H
#define HW_TOOL_EXPLAIN_H

#include "config.h"
#include "select.h"
#include "survey.h"
#include <stdio.h>

struct hw_explain_settings {
	const char *config; /* NULL: directories are explained */
	const char *watchers; /* NULL: auto */
	uint64_t interval_ns; /* 0: the default */
	struct hw_select select; /* its excludes only */
	bool no_count, json;
};

/* One share, or the directory of the command line. */
struct hw_explained {
	const char *name; /* borrowed; NULL: a directory of the command line */
	const char *path; /* borrowed: as it was given */
	struct hw_share *share; /* owned; the survey borrows from it */
	struct hw_survey survey; /* owned */
	char *error; /* owned: why it cannot be watched; NULL: it can */
};

/* All shares that are explained. */
struct hw_explaining {
	struct hw_explain_settings settings;
	struct hw_loop *loop; /* owned */
	struct hw_loader *loader; /* owned */
	struct hw_config *config; /* owned; NULL: none */
	struct hw_quotas quotas;
	struct hw_explained *list; /* owned */
	size_t count;
};

/* An entry of the list; NULL: out of memory. */
struct hw_explained *hw_explain_add(struct hw_explaining *e, const char *name, const char *path);
/* Surveys explained->share. Returns an exit status; what is wrong was written to stderr. */
int hw_explain_survey(struct hw_explaining *e, struct hw_explained *explained);
/* A signal asked to end the counting. */
bool hw_explain_interrupted(void);
/* Explains the shares of the configuration, or the one of this name. Returns an exit status. */
int hw_explain_config(struct hw_explaining *e, const char *name);

/* For people: lines of at most 80 columns. */
void hw_explain_print(const struct hw_explained *explained, FILE *to);
/* One object for all. file: the configuration; NULL: none. */
void hw_explain_print_json(const char *file, const struct hw_explained *list, size_t count,
			   FILE *to);

/* What a limit would have to be for all that was counted. */
uint64_t hw_explain_raised(const struct hw_quota *quota, uint64_t lacking);
/* The share of one CPU that scanning takes, in percent, where a candidate gets its directories. */
double hw_explain_cpu_percent(const struct hw_survey_filesystem *fs,
			      const struct hw_survey_candidate *candidate);
/* The time of one scan of the directories that it gets, or of all when it gets none. */
uint64_t hw_explain_scan_ns(const struct hw_survey_filesystem *fs,
			    const struct hw_survey_candidate *candidate);
/* The candidate that watches a path of the share; NULL: not known. */
const struct hw_survey_candidate *hw_explain_watcher_of(const struct hw_survey *survey,
							const char *path);

#endif
