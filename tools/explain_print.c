/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The output of hostwatch explain for people. */
#include "clean.h"
#include "explain.h"
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 80
#define LABEL 10 /* columns for the name of a watcher */
#define TEXT_MAX 2048

/* ---- figures ---- */

uint64_t hw_explain_raised(const struct hw_quota *quota, uint64_t lacking)
{
	uint64_t needed = quota->used + quota->claimed + lacking, raised = quota->max;

	while (raised < needed && raised <= UINT64_MAX / 2)
		raised *= 2;
	return raised;
}

/* Returns the part of the filesystem that the candidate gets. */
static double part_of(const struct hw_survey_filesystem *fs,
		      const struct hw_survey_candidate *candidate)
{
	if (!candidate->directories || !fs->directories)
		return 1;
	return (double)candidate->directories / (double)fs->directories;
}

uint64_t hw_explain_scan_ns(const struct hw_survey_filesystem *fs,
			    const struct hw_survey_candidate *candidate)
{
	return (uint64_t)((double)fs->scan_ns * part_of(fs, candidate));
}

double hw_explain_cpu_percent(const struct hw_survey_filesystem *fs,
			      const struct hw_survey_candidate *candidate)
{
	if (!candidate->cost.period_ns)
		return 0;
	return 100 * (double)fs->cpu_ns * part_of(fs, candidate) /
	       (double)candidate->cost.period_ns;
}

const struct hw_survey_candidate *hw_explain_watcher_of(const struct hw_survey *survey,
							const char *path)
{
	const struct hw_survey_filesystem *best = NULL;
	size_t root = strlen(survey->root), longest = 0;

	root += root > 1; /* the slash after it */
	for (size_t i = 0; i < survey->count; i++) {
		const struct hw_survey_filesystem *fs = &survey->filesystems[i];
		const char *below = strlen(fs->path) > root ? fs->path + root : "";
		size_t len = strlen(below);

		if (len && (strncmp(path, below, len) != 0 || path[len] != '/'))
			continue;
		if (!best || len > longest) {
			best = fs;
			longest = len;
		}
	}
	return best && best->first < best->count ? &best->candidates[best->first] : NULL;
}

/* ---- lines ---- */

/* Prints the label, then the text in lines of at most WIDTH columns. */
static void put(FILE *to, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put(FILE *to, const char *label, const char *format, ...)
{
	char text[TEXT_MAX];
	size_t indent = 2 + (*label ? LABEL : 0), at;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	fprintf(to, "  %-*s", *label ? LABEL - 1 : 0, label);
	at = 2 + (*label ? (strlen(label) < LABEL ? LABEL - 1 : strlen(label)) : 0);
	for (char *word = text, *next; word; word = next) {
		next = strchr(word, ' ');
		if (next)
			*next++ = '\0';
		if (at > indent && at + 1 + strlen(word) > WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		} else if (word != text || *label) {
			fputc(' ', to);
			at++;
		}
		fputs(word, to);
		at += strlen(word);
	}
	fputc('\n', to);
}

static const char *bare(char *buf, size_t size, const char *text)
{
	if (hw_quote_is_needless(text, strlen(text)) && strlen(text) < size)
		return strcpy(buf, text); /* fits */
	return hw_quote(buf, size, text, strlen(text));
}

static const char *duration(char *buf, size_t size, uint64_t ns)
{
	double ms = (double)ns / (double)HW_MS;

	if (ms < 1)
		(void)snprintf(buf, size, "less than 1 ms");
	else if (ms < 1000)
		(void)snprintf(buf, size, "%.0f ms", ms);
	else
		(void)snprintf(buf, size, "%.3g s", ms / 1000);
	return buf;
}

static const char *counted(char *buf, size_t size, uint64_t count, const char *one)
{
	size_t len = strlen(one);
	bool is_y = count != 1 && len && one[len - 1] == 'y';

	(void)snprintf(buf, size, "%" PRIu64 " %.*s%s", count, (int)(is_y ? len - 1 : len), one,
		       count == 1 ? ""
		       : is_y     ? "ies"
				  : "s");
	return buf;
}

/* ---- one candidate ---- */

/* Appends to text; truncates it if it does not fit. */
static void add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *text, const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text + len, TEXT_MAX - len, format, ap); /* truncation is acceptable */
	va_end(ap);
}

static void add_use(char *text, const struct hw_quota *quota)
{
	char name[64];

	if (!quota->counted)
		return;
	add(text, ", in use by this user: %" PRIu64, quota->used);
	if (quota->held)
		add(text, " (%" PRIu64 " by %s, process %d)", quota->held,
		    bare(name, sizeof(name), quota->holder_name), (int)quota->holder);
}

/* `next`: the candidate that gets the directories for which there are not enough watches. */
static void add_objects(char *text, const struct hw_survey_filesystem *fs,
			const struct hw_survey_candidate *candidate, const char *next)
{
	uint64_t lacking = hw_survey_lacking(candidate), directories = candidate->wanted;
	const struct hw_quota *quota = candidate->quota;
	char buf[64];

	if (!candidate->cost.per_directory || !fs->directories || !quota)
		return;
	if (!directories) /* not used: print what it would need */
		directories = fs->directories;
	add(text, "; %s needed: %" PRIu64 ", %s: %" PRIu64, candidate->cost.objects,
	    directories * candidate->cost.per_directory, quota->name, quota->max);
	add_use(text, quota);
	if (lacking)
		add(text, ". %s will get %s instead. To watch all of them: sysctl %s=%" PRIu64,
		    counted(buf, sizeof(buf), lacking, "directory"), next ? next : "no watcher",
		    quota->name, hw_explain_raised(quota, lacking));
}

static void add_scan(char *text, const struct hw_survey_filesystem *fs,
		     const struct hw_survey_candidate *candidate)
{
	const struct hw_watcher_cost *cost = &candidate->cost;
	double percent = hw_explain_cpu_percent(fs, candidate);
	char scan[64], period[64];

	if (!cost->period_ns || !fs->cpu_ns)
		return;
	add(text, "%sa scan takes %s, every %s: ", *text ? "; " : "",
	    duration(scan, sizeof(scan), hw_explain_scan_ns(fs, candidate)),
	    duration(period, sizeof(period), cost->period_ns));
	if (percent < 0.1)
		add(text, "less than 0.1%% of one CPU");
	else
		add(text, "%.2g%% of one CPU", percent);
	if (cost->idle_period_ns > cost->period_ns)
		add(text, "; every %s while nothing changes",
		    duration(period, sizeof(period), cost->idle_period_ns));
}

static const char *next_of(const struct hw_survey_filesystem *fs, size_t rank)
{
	while (++rank < fs->count)
		if (fs->candidates[rank].works)
			return fs->candidates[rank].name;
	return NULL;
}

static void print_candidate(const struct hw_survey_filesystem *fs, size_t rank, FILE *to)
{
	const struct hw_survey_candidate *candidate = &fs->candidates[rank];
	char text[TEXT_MAX] = "", clean[1024], buf[64];
	bool gets = rank == fs->first || candidate->directories;

	hw_clean(clean, sizeof(clean), candidate->text);
	if (!candidate->works) {
		put(to, candidate->name, "no: %s", clean);
		return;
	}
	add(text, "%s", clean);
	add_objects(text, fs, candidate, next_of(fs, rank));
	add_scan(text, fs, candidate);
	if (rank != fs->first && candidate->directories)
		put(to, candidate->name, "yes, for %s%s%s",
		    counted(buf, sizeof(buf), candidate->directories, "directory"),
		    *text ? ": " : "", text);
	else
		put(to, candidate->name, "%s%s%s", gets ? "yes" : "not needed", *text ? ": " : "",
		    text);
}

/* ---- one filesystem ---- */

static void print_filesystem(const struct hw_survey *survey, const struct hw_survey_filesystem *fs,
			     FILE *to)
{
	char path[512], type[64], directories[64], entries[64];
	const char *comma = "";

	fprintf(to, "%s (%s): ", bare(path, sizeof(path), fs->path),
		bare(type, sizeof(type), fs->type));
	for (size_t i = 0; i < fs->count; i++) {
		if (i != fs->first && !fs->candidates[i].directories)
			continue;
		fprintf(to, "%s%s", comma, fs->candidates[i].name);
		comma = ", ";
	}
	fprintf(to, "%s\n", *comma ? "" : "no watcher");
	if (fs->directories)
		put(to, "", "%s%s in %s", survey->counted ? "" : "counted so far: ",
		    counted(entries, sizeof(entries), fs->entries, "entry"),
		    counted(directories, sizeof(directories), fs->directories, "directory"));
	for (size_t i = 0; i < fs->count; i++)
		print_candidate(fs, i, to);
	if (fs->again)
		put(to, "note", "%s also mounted at another place of the share: scanned here",
		    counted(directories, sizeof(directories), fs->again, "directory"));
	if (fs->unwatched)
		put(to, "warning", "no watcher takes %s: changes there will not be reported",
		    counted(directories, sizeof(directories), fs->unwatched, "directory"));
}

/* ---- all filesystems ---- */

static void print_unreadable(const struct hw_survey_paths *paths, FILE *to)
{
	char text[TEXT_MAX] = "", path[256], count[64];

	if (!paths->count)
		return;
	for (size_t i = 0; i < paths->count && i < HW_SURVEY_PATHS_MAX; i++)
		add(text, "%s%s", i ? ", " : "",
		    *paths->paths[i] ? bare(path, sizeof(path), paths->paths[i]) : ".");
	if (paths->count > HW_SURVEY_PATHS_MAX)
		add(text, " and %" PRIu64 " more", paths->count - HW_SURVEY_PATHS_MAX);
	put(to, "warning", "%s cannot be read, so nothing in %s is reported: %s",
	    counted(count, sizeof(count), paths->count, "directory"),
	    paths->count == 1 ? "it" : "them", text);
}

static void print_files(const struct hw_survey *survey, FILE *to)
{
	const struct hw_survey_paths *files = &survey->files;
	char path[256];

	for (size_t i = 0; i < files->count && i < HW_SURVEY_PATHS_MAX; i++) {
		const struct hw_survey_candidate *watcher =
			hw_explain_watcher_of(survey, files->paths[i]);

		if (watcher && !watcher->scans)
			put(to, "warning",
			    "%s: a file is mounted here; %s does not report its changes, so it is "
			    "compared once per interval",
			    bare(path, sizeof(path), files->paths[i]), watcher->name);
	}
	if (files->count > HW_SURVEY_PATHS_MAX)
		put(to, "warning", "files are mounted at %" PRIu64 " other places also",
		    files->count - HW_SURVEY_PATHS_MAX);
}

/* The directory that is watched even if the links are changed. */
static void print_links(const struct hw_explained *explained, FILE *to)
{
	char path[512], root[512];

	if (explained->survey.linked && explained->survey.root)
		put(to, "note", "symbolic links are followed at the start only: %s -> %s",
		    bare(path, sizeof(path), explained->path),
		    bare(root, sizeof(root), explained->survey.root));
}

void hw_explain_print(const struct hw_explained *explained, FILE *to)
{
	const struct hw_survey *survey = &explained->survey;
	char path[512];

	if (explained->name)
		fprintf(to, "share %s, %s\n", explained->name,
			bare(path, sizeof(path), explained->path));
	for (size_t i = 0; i < survey->count; i++)
		print_filesystem(survey, &survey->filesystems[i], to);
	print_links(explained, to);
	print_unreadable(&survey->unreadable, to);
	for (size_t i = 0; i < survey->loops.count && i < HW_SURVEY_PATHS_MAX; i++)
		put(to, "note", "%s: a directory above it is mounted here; it is not entered",
		    bare(path, sizeof(path), survey->loops.paths[i]));
	for (size_t i = 0; i < survey->pseudo.count && i < HW_SURVEY_PATHS_MAX; i++)
		put(to, "note",
		    "%s: the kernel makes the content of this filesystem; it is not entered "
		    "(pseudo = yes)",
		    bare(path, sizeof(path), survey->pseudo.paths[i]));
	if (survey->root)
		print_files(survey, to);
}
