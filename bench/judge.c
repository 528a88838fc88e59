/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares the output of a watcher with the list of changes that were made: prints how many names
 * were changed without a report, and how many reports were wrong. A report is wrong if nothing of
 * its kind happened to the name, or if it is the last one about a name and says that the name
 * exists although it does not, or the reverse. bench/README describes the lists.
 */
#include "common.h"
#include "names.h"
#include "reports.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
	struct names names;
	const char *root; /* borrowed: paths of the output begin with it, or are relative */
	size_t root_len;
	bool base_only; /* names are compared without their directories */
	bool all; /* names that existed only for a moment also count */
	FILE *details; /* borrowed, or NULL */
	uint64_t reports, wrong;
	struct names unlisted; /* reported, but not in the list */
	char gone[NAME_PATH_MAX]; /* path of the last report, if that was of a name that is gone */
};

static const char *base_of(const struct judge *judge, const char *path)
{
	const char *slash = judge->base_only ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static bool is_outside(const char *path)
{
	return strncmp(path, "../", 3) == 0;
}

static struct name *name_of(struct judge *judge, const char *path)
{
	return names_get(&judge->names, base_of(judge, path));
}

static void appear(struct judge *judge, const char *path, bool is_dir)
{
	struct name *name = name_of(judge, path);

	name->replaced |= name->exists || name->before;
	name->exists = true;
	name->is_dir = is_dir;
	name->happened |= REPORT_CREATED | REPORT_CHANGED;
}

static void vanish(struct judge *judge, const char *path)
{
	struct name *name = name_of(judge, path);

	name->exists = false;
	name->happened |= REPORT_DELETED;
}

/* Entries below a renamed directory go with it. They need no report of their own, and may have
 * one. */
static void carry(struct judge *judge, const char *from, const char *to)
{
	size_t len = strlen(from), count = judge->names.count;

	for (size_t i = 0; i < count; i++) {
		struct name *name = judge->names.all[i];
		char path[NAME_PATH_MAX];

		if (!name->exists || strncmp(name->path, from, len) != 0 || name->path[len] != '/')
			continue;
		name->exists = false;
		name->carried = true;
		name->happened |= REPORT_DELETED;
		if (!to)
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", to, name->path + len);
		appear(judge, path, name->is_dir);
		name_of(judge, path)->carried = true;
	}
}

static void rename_name(struct judge *judge, const char *from, const char *to)
{
	bool is_dir = !is_outside(from) && name_of(judge, from)->is_dir;

	if (!is_outside(from))
		vanish(judge, from);
	if (!is_outside(to))
		appear(judge, to, is_dir);
	if (is_dir && !judge->base_only)
		carry(judge, from, is_outside(to) ? NULL : to);
}

/* Applies one line of a list. */
static void apply(struct judge *judge, char *line)
{
	char *path = line + strcspn(line, "\t"), *to;
	struct name *name;

	if (!*path)
		bench_die(0, "a line of the list has no path: %s", line);
	*path++ = '\0';
	to = strchr(path, '\t');
	if (to)
		*to++ = '\0';
	if (line[0] == 'r' && to) {
		rename_name(judge, path, to);
		return;
	}
	name = is_outside(path) ? NULL : name_of(judge, path);
	if (!name)
		return;
	if (line[0] == 'F' || line[0] == 'D') { /* it was there before the first change */
		name->before = name->exists = true;
		name->is_dir = line[0] == 'D';
	} else if (line[0] == 'c' || line[0] == 'd') {
		appear(judge, path, line[0] == 'd');
	} else if (line[0] == 'u') {
		vanish(judge, path);
	} else if (line[0] == 'm') {
		name->happened |= REPORT_CHANGED;
	} else if (line[0] == '?') {
		name->allowed |= REPORT_CHANGED;
	} else if (line[0] == 'b') {
		name->exists = true;
		name->allowed |= REPORT_CREATED | REPORT_CHANGED;
	} else {
		bench_die(0, "unknown change '%c' in the list", line[0]);
	}
}

static void read_list(struct judge *judge, const char *path)
{
	FILE *list = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!list)
		bench_die(errno, "%s", path);
	while ((len = getline(&line, &size, list)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		apply(judge, line);
	}
	free(line);
	(void)fclose(list); /* only read from */
}

static void explain(const struct judge *judge, const char *what, const char *path)
{
	if (judge->details)
		(void)fprintf(judge->details, "%s\t%s\n", what, path);
}

/* Returns the path below the root, or NULL for the root and for paths outside of it. */
static const char *below_root(const struct judge *judge, const char *path)
{
	if (judge->root && strncmp(path, judge->root, judge->root_len) == 0 &&
	    (path[judge->root_len] == '/' || !path[judge->root_len]))
		path += judge->root_len;
	while (*path == '/')
		path++;
	return *path && strcmp(path, ".") != 0 ? path : NULL;
}

/* A directory was renamed after files in it had been reported under its old name: those reports
 * are about the new names. */
static void carry_reports(struct judge *judge, const char *from, const char *to)
{
	size_t len = strlen(from);

	for (size_t i = 0; *from && i < judge->unlisted.count; i++) {
		struct name *old = judge->unlisted.all[i], *name;
		char path[NAME_PATH_MAX];

		if (old->carried || strncmp(old->path, from, len) != 0 || old->path[len] != '/')
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", to, old->path + len);
		name = names_find(&judge->names, path);
		if (!name)
			name = names_get(&judge->unlisted, path);
		name->seen |= old->seen;
		name->last = old->last;
		old->carried = true;
	}
}

static void take_report(void *arg, const char *text, unsigned kinds)
{
	struct judge *judge = arg;
	const char *path = below_root(judge, text);
	struct name *name;
	bool listed;

	if (!path || !kinds)
		return;
	judge->reports++;
	if (kinds == REPORT_CREATED)
		carry_reports(judge, judge->gone, path);
	(void)snprintf(judge->gone, sizeof(judge->gone), "%s", kinds == REPORT_DELETED ? path : "");
	name = names_find(&judge->names, base_of(judge, path));
	listed = name;
	if (!name)
		name = names_get(&judge->unlisted, base_of(judge, path));
	/* A directory changes when its entries do. */
	if (listed &&
	    kinds & ~(name->happened | name->allowed | (name->is_dir ? REPORT_CHANGED : 0)) &&
	    !judge->base_only) {
		judge->wrong++;
		explain(judge, "never-happened", path);
	}
	name->seen |= kinds;
	if (kinds & (REPORT_CREATED | REPORT_DELETED))
		name->last = kinds & (REPORT_CREATED | REPORT_DELETED);
}

/* The kinds of reports of which one is required, 0: none. */
static unsigned required(const struct judge *judge, const struct name *name)
{
	const unsigned any = REPORT_CREATED | REPORT_CHANGED | REPORT_DELETED;

	if (name->carried || !name->happened)
		return 0;
	if (!name->before && !name->exists)
		return judge->all ? any : 0;
	if (!name->before)
		return REPORT_CREATED;
	if (!name->exists)
		return REPORT_DELETED;
	return name->is_dir && !name->replaced ? 0 : REPORT_CREATED | REPORT_CHANGED;
}

static bool is_stale(const struct judge *judge, const struct name *name)
{
	if (judge->base_only || name->carried)
		return false;
	return name->last == (name->exists ? REPORT_DELETED : REPORT_CREATED);
}

/* Reports about names that are not in the list, and were not renamed. */
static uint64_t count_unlisted(const struct judge *judge)
{
	uint64_t count = 0;

	for (size_t i = 0; i < judge->unlisted.count; i++) {
		if (judge->unlisted.all[i]->carried)
			continue;
		explain(judge, "unknown", judge->unlisted.all[i]->path);
		count++;
	}
	return count;
}

static void print_verdict(struct judge *judge)
{
	uint64_t expected = 0, created = 0, changed = 0, deleted = 0, passing = 0, stale = 0;

	for (size_t i = 0; i < judge->names.count; i++) {
		const struct name *name = judge->names.all[i];
		unsigned kinds = required(judge, name);

		expected += kinds != 0;
		if (kinds && !(name->seen & kinds)) {
			explain(judge, "lost", name->path);
			if (!name->before && !name->exists)
				passing++;
			else if (!name->before)
				created++;
			else if (!name->exists)
				deleted++;
			else
				changed++;
		}
		if (is_stale(judge, name)) {
			explain(judge, "stale", name->path);
			stale++;
		}
	}
	(void)printf("names %llu lost %llu lost_created %llu lost_changed %llu lost_deleted %llu "
		     "lost_passing %llu wrong %llu stale %llu reports %llu\n",
		     (unsigned long long)expected,
		     (unsigned long long)(created + changed + deleted + passing),
		     (unsigned long long)created, (unsigned long long)changed,
		     (unsigned long long)deleted, (unsigned long long)passing,
		     (unsigned long long)(judge->wrong + stale + count_unlisted(judge)),
		     (unsigned long long)stale, (unsigned long long)judge->reports);
}

static const char usage[] =
	"usage: judge [-a] [-b] [-r ROOT] [-d DETAILS] FORMAT LIST... < OUTPUT\n"
	"-a  names that existed only for a moment must also have been reported\n"
	"-b  compare names without directories\n"
	"-d  write a line for each lost name and each wrong report\n"
	"FORMAT is json, words, raw or watchman\n";

int main(int argc, char **argv)
{
	static struct judge judge;
	const char *details = NULL;
	int option;

	while ((option = getopt(argc, argv, "abr:d:")) != -1) {
		if (option == 'a')
			judge.all = true;
		else if (option == 'b')
			judge.base_only = true;
		else if (option == 'r')
			judge.root = optarg;
		else if (option == 'd')
			details = optarg;
		else
			return (void)fputs(usage, stderr), 2;
	}
	if (optind + 2 > argc)
		return (void)fputs(usage, stderr), 2;
	judge.root_len = judge.root ? strlen(judge.root) : 0;
	if (details && !(judge.details = fopen(details, "we")))
		bench_die(errno, "%s", details);
	for (int i = optind + 1; i < argc; i++)
		read_list(&judge, argv[i]);
	reports_read(stdin, argv[optind], take_report, &judge);
	print_verdict(&judge);
	if (judge.details && fclose(judge.details) != 0)
		bench_die(errno, "%s", details);
	names_free(&judge.unlisted);
	names_free(&judge.names);
	return 0;
}
