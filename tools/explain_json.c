/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON output of hostwatch explain; hostwatch(1) describes the keys. */
#include "explain.h"
#include "json_out.h"

#include <unistd.h>

static void put_quota(struct hw_json_out *w, const struct hw_survey_filesystem *fs,
		      const struct hw_survey_candidate *candidate)
{
	const struct hw_quota *quota = candidate->quota;
	uint64_t directories = candidate->wanted, lacking = hw_survey_lacking(candidate);

	if (!quota)
		return;
	if (!directories)
		directories = fs->directories;
	hw_json_open(w, "needs", '{');
	hw_json_text(w, "objects", candidate->cost.objects);
	hw_json_number(w, "count",
		       candidate->cost.per_filesystem +
			       directories * candidate->cost.per_directory);
	hw_json_text(w, "sysctl", quota->name);
	hw_json_number(w, "limit", quota->max);
	if (quota->counted)
		hw_json_number(w, "used", quota->used);
	hw_json_number(w, "lacking", lacking * candidate->cost.per_directory);
	if (lacking)
		hw_json_number(w, "raise_to", hw_explain_raised(quota, lacking));
	hw_json_close(w, '}');
}

static void put_scan(struct hw_json_out *w, const struct hw_survey_filesystem *fs,
		     const struct hw_survey_candidate *candidate)
{
	if (!candidate->cost.period_ns)
		return;
	hw_json_open(w, "scan", '{');
	hw_json_number(w, "interval_ns", candidate->cost.period_ns);
	hw_json_number(w, "idle_interval_ns", candidate->cost.idle_period_ns);
	if (fs->cpu_ns) {
		hw_json_number(w, "duration_ns", hw_explain_scan_ns(fs, candidate));
		hw_json_decimal(w, "cpu_percent", hw_explain_cpu_percent(fs, candidate));
	}
	hw_json_close(w, '}');
}

static void put_candidate(struct hw_json_out *w, const struct hw_survey *survey,
			  const struct hw_survey_filesystem *fs, size_t rank)
{
	const struct hw_survey_candidate *candidate = &fs->candidates[rank];

	hw_json_open(w, NULL, '{');
	hw_json_text(w, "name", candidate->name);
	hw_json_bool(w, "works", candidate->works);
	hw_json_bool(w, "chosen", rank == fs->first || candidate->directories);
	hw_json_text(w, candidate->works ? "how" : "reason", candidate->text);
	if (candidate->works) {
		if (fs->directories || survey->counted)
			hw_json_number(w, "directories", candidate->directories);
		put_quota(w, fs, candidate);
		put_scan(w, fs, candidate);
	}
	hw_json_close(w, '}');
}

static void put_filesystem(struct hw_json_out *w, const struct hw_survey *survey,
			   const struct hw_survey_filesystem *fs)
{
	hw_json_open(w, NULL, '{');
	hw_json_path(w, "path", fs->path);
	hw_json_text(w, "type", fs->type);
	hw_json_text(w, "watcher", fs->first < fs->count ? fs->candidates[fs->first].name : NULL);
	if (fs->directories) {
		hw_json_number(w, "directories", fs->directories);
		hw_json_number(w, "entries", fs->entries);
		hw_json_number(w, "unwatched", fs->unwatched);
		hw_json_number(w, "duplicates", fs->again);
	}
	hw_json_open(w, "watchers", '[');
	for (size_t i = 0; i < fs->count; i++)
		put_candidate(w, survey, fs, i);
	hw_json_close(w, ']');
	hw_json_close(w, '}');
}

static void put_paths(struct hw_json_out *w, const char *key, const struct hw_survey_paths *paths)
{
	hw_json_open(w, key, '{');
	hw_json_number(w, "count", paths->count);
	hw_json_open(w, "first", '[');
	for (size_t i = 0; i < paths->count && i < HW_SURVEY_PATHS_MAX; i++) {
		hw_json_open(w, NULL, '{');
		hw_json_path(w, "path", paths->paths[i]);
		hw_json_close(w, '}');
	}
	hw_json_close(w, ']');
	hw_json_close(w, '}');
}

static void put_share(struct hw_json_out *w, const struct hw_explained *explained)
{
	const struct hw_survey *survey = &explained->survey;

	hw_json_open(w, NULL, '{');
	hw_json_text(w, "share", explained->name);
	hw_json_path(w, "path", explained->path);
	if (survey->root)
		hw_json_path(w, "resolved", survey->root);
	hw_json_text(w, "error", explained->error);
	hw_json_bool(w, "counted", survey->counted);
	hw_json_open(w, "filesystems", '[');
	for (size_t i = 0; i < survey->count; i++)
		put_filesystem(w, survey, &survey->filesystems[i]);
	hw_json_close(w, ']');
	put_paths(w, "unreadable", &survey->unreadable);
	put_paths(w, "mounted_files", &survey->files);
	put_paths(w, "loops", &survey->loops);
	put_paths(w, "pseudo", &survey->pseudo);
	hw_json_close(w, '}');
}

void hw_explain_print_json(const char *file, const struct hw_explained *list, size_t count,
			   FILE *to)
{
	struct hw_json_out w = HW_JSON_OUT(to);

	hw_json_open(&w, NULL, '{');
	hw_json_text(&w, "version", HW_VERSION);
	hw_json_text(&w, "config", file);
	hw_json_number(&w, "uid", geteuid());
	hw_json_open(&w, "shares", '[');
	for (size_t i = 0; i < count; i++)
		put_share(&w, &list[i]);
	hw_json_close(&w, ']');
	hw_json_close(&w, '}');
	fputc('\n', to);
}
