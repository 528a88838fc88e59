/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "foresee.h"

#include "build.h"
#include "log.h"
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct foreseeing {
	struct hw_loop *loop; /* borrowed */
	const struct hw_config *config; /* borrowed */
	const struct hw_config_share *described; /* borrowed: the share that is being surveyed */
	struct hw_errors *warnings; /* borrowed */
	struct hw_quotas quotas;
};

static void add(struct foreseeing *f, unsigned line, const char *severity, const char *text)
{
	const char *file = f->config->file;
	char quoted[300];

	hw_errors_add(f->warnings, "%s:%u: %s[share %s] %s",
		      hw_quote_is_needless(file, strlen(file))
			      ? file
			      : hw_quote(quoted, sizeof(quoted), file, strlen(file)),
		      line, severity, f->described->name, text);
}

static void warn(struct foreseeing *f, const char *format, ...) HW_PRINTF(2, 3);

/* Adds a warning about the watchers of the share. */
static void warn(struct foreseeing *f, const char *format, ...)
{
	char text[HW_ERRORS_LINE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	add(f, f->described->watcher_line, "warning: ", text);
}

/* ---- watchers that cannot watch ---- */

/* Returns the name of the first working candidate, starting at `rank`; NULL if there is no such
 * candidate. */
static const char *taker_of(const struct hw_survey_filesystem *fs, size_t rank)
{
	for (size_t i = rank; i < fs->count; i++)
		if (fs->candidates[i].works)
			return fs->candidates[i].name;
	return NULL;
}

/* Reports each candidate that the user named and that does not work on this filesystem. */
static void warn_refused(struct foreseeing *f, const struct hw_survey_filesystem *fs)
{
	const char *taker = taker_of(fs, fs->first);
	char path[300], type[64];

	if (f->described->automatic && taker)
		return;
	for (size_t i = 0; i < fs->first && i < fs->count; i++)
		warn(f, "watcher: %s cannot watch %s (%s): %s; %s%s", fs->candidates[i].name,
		     hw_quote(path, sizeof(path), fs->path, strlen(fs->path)),
		     hw_quote_is_needless(fs->type, strlen(fs->type))
			     ? fs->type
			     : hw_quote(type, sizeof(type), fs->type, strlen(fs->type)),
		     fs->candidates[i].text, taker ? taker : "changes there will not be reported",
		     taker ? " will be used" : "");
}

/* ---- limits ---- */

static const struct hw_survey_candidate *find_lacking(const struct hw_survey *survey,
						      const struct hw_survey_filesystem **ret_fs)
{
	for (size_t i = 0; i < survey->count; i++) {
		*ret_fs = &survey->filesystems[i];
		for (size_t j = 0; j < (*ret_fs)->count; j++)
			if (hw_survey_lacking(&(*ret_fs)->candidates[j]))
				return &(*ret_fs)->candidates[j];
	}
	return NULL;
}

static bool until_lacking(void *arg, const struct hw_survey *survey)
{
	const struct hw_survey_filesystem *fs;

	(void)arg;
	return !find_lacking(survey, &fs);
}

static void warn_lacking(struct foreseeing *f, const struct hw_survey *survey)
{
	const struct hw_survey_filesystem *fs = NULL;
	const struct hw_survey_candidate *candidate = find_lacking(survey, &fs);
	const struct hw_quota *quota = candidate ? candidate->quota : NULL;
	char path[300];
	const char *taker;

	if (!quota)
		return;
	taker = taker_of(fs, (size_t)(candidate - fs->candidates) + 1);
	warn(f,
	     "watcher: %s has too few %s for %s: %s is %" PRIu64 ", in use by this user: %" PRIu64
	     "; %s%s; 'hostwatch explain -c' says how many are needed",
	     candidate->name, candidate->cost.objects,
	     hw_quote(path, sizeof(path), fs->path, strlen(fs->path)), quota->name, quota->max,
	     quota->used, taker ? taker : "changes in some directories will not be reported",
	     taker ? " will be used for some directories" : "");
}

/* Returns whether a limit may be too low. */
static bool must_count(const struct hw_survey *survey)
{
	for (size_t i = 0; i < survey->count; i++) {
		const struct hw_survey_filesystem *fs = &survey->filesystems[i];

		if (fs->first < fs->count && fs->candidates[fs->first].quota &&
		    fs->candidates[fs->first].cost.per_directory)
			return true;
	}
	return false;
}

/* ---- one share ---- */

static int survey(struct foreseeing *f, struct hw_share *share, bool count, struct hw_survey *ret)
{
	const struct hw_survey_how how = {
		.quotas = &f->quotas,
		.count = count,
		.step = until_lacking,
	};

	return hw_survey_share(share, &how, ret);
}

static void count_directories(struct foreseeing *f, struct hw_share *share)
{
	struct hw_survey counted;

	if (survey(f, share, true, &counted) == 0)
		warn_lacking(f, &counted);
	hw_survey_free(&counted);
}

/* Reports that the share cannot start. */
static void report_failure(struct foreseeing *f, struct hw_share *share, int error)
{
	bool no_watcher = error == -ENODEV;
	char text[HW_ERRORS_LINE_MAX];
	struct hw_share_status status;

	hw_share_get_status(share, &status);
	(void)snprintf(text, sizeof(text), "%s: %s", no_watcher ? "watcher" : "path", status.why);
	add(f, no_watcher ? f->described->watcher_line : f->described->path_line, "", text);
}

/* As hw_foresee(). */
static int foresee_share(struct foreseeing *f, struct hw_share *share)
{
	struct hw_survey places;
	int r = survey(f, share, false, &places);

	if (r < 0 && r != -ENOMEM)
		report_failure(f, share, r);
	for (size_t i = 0; i < places.count && r == 0; i++)
		warn_refused(f, &places.filesystems[i]);
	if (r == 0 && must_count(&places))
		count_directories(f, share);
	hw_survey_free(&places);
	return r < 0 && r != -ENOMEM ? -ENODEV : r;
}

int hw_foresee(struct hw_loop *loop, const struct hw_config *config, struct hw_errors *warnings)
{
	struct foreseeing f = { .loop = loop, .config = config, .warnings = warnings };
	struct hw_share **shares = calloc(config->share_count + 1, sizeof(*shares));
	int worst = shares ? 0 : -ENOMEM;

	for (size_t i = 0; i < config->share_count && worst != -ENOMEM; i++) {
		int r;

		f.described = &config->shares[i];
		r = hw_build_share(loop, config, f.described, warnings, &shares[i]);
		if (r == 0)
			r = foresee_share(&f, shares[i]);
		worst = r < 0 ? r : worst;
	}
	/* Each share is kept until here, because in a daemon all of them hold their kernel objects
	 * at the same time. */
	for (size_t i = 0; shares && i < config->share_count; i++)
		hw_share_destroy(shares[i]);
	free(shares);
	return worst;
}
