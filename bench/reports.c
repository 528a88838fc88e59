/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reports.h"
#include "common.h"
#include "names.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/fanotify.h>

/* fsnotifywait reads the names of files from /proc/self/fd, where the kernel appends this. */
#define GONE " (deleted)"
#define GONE_LEN (sizeof(GONE) - 1)
#define ALL (REPORT_CREATED | REPORT_CHANGED | REPORT_DELETED)

struct sink {
	reports_fn *report;
	void *arg;
};

/* Words for events in the output of various programs; case is ignored. */
static const struct word {
	const char *text;
	unsigned kinds;
} words[] = {
	{ "create", REPORT_CREATED },
	{ "created", REPORT_CREATED },
	{ "add", REPORT_CREATED },
	{ "addDir", REPORT_CREATED },
	{ "moved_to", REPORT_CREATED },
	{ "MovedTo", REPORT_CREATED },
	{ "modify", REPORT_CHANGED },
	{ "attrib", REPORT_CHANGED },
	{ "close_write", REPORT_CHANGED },
	{ "Updated", REPORT_CHANGED },
	{ "update", REPORT_CHANGED },
	{ "change", REPORT_CHANGED },
	{ "AttributeModified", REPORT_CHANGED },
	{ "OwnerModified", REPORT_CHANGED },
	{ "CloseWrite", REPORT_CHANGED },
	{ "delete", REPORT_DELETED },
	{ "removed", REPORT_DELETED },
	{ "unlink", REPORT_DELETED },
	{ "unlinkDir", REPORT_DELETED },
	{ "moved_from", REPORT_DELETED },
	{ "MovedFrom", REPORT_DELETED },
	{ "Renamed", 0 },
	{ "isdir", 0 },
	{ "IsFile", 0 },
	{ "IsSymLink", 0 },
	{ "Link", 0 },
	{ "close", 0 },
	{ "PlatformSpecific", 0 },
};

static const struct word *find_word(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].text) == len && strncasecmp(words[i].text, text, len) == 0)
			return &words[i];
	}
	return NULL;
}

/* Removes the words for events from the end of the line; a path may contain blanks. */
static void read_words(const struct sink *sink, char *line)
{
	unsigned kinds = 0;
	size_t len = strlen(line);

	while (len) {
		size_t begin = len;
		const struct word *word;

		while (begin && line[begin - 1] != ' ' && line[begin - 1] != ',')
			begin--;
		word = begin ? find_word(line + begin, len - begin) : NULL;
		if (!word)
			break;
		kinds |= word->kinds;
		line[begin - 1] = '\0';
		len = begin - 1;
	}
	if (len > GONE_LEN && strcmp(line + len - GONE_LEN, GONE) == 0)
		line[len - GONE_LEN] = '\0';
	sink->report(sink->arg, line, kinds);
}

/* Masks of inotify and fanotify have the same bits. */
static void read_raw(const struct sink *sink, const char *line)
{
	char *end;
	unsigned long long mask = strtoull(line, &end, 16);
	unsigned kinds = 0;

	if (*end != ' ')
		return;
	if (mask & (FAN_CREATE | FAN_MOVED_TO))
		kinds |= REPORT_CREATED;
	if (mask & (FAN_DELETE | FAN_MOVED_FROM))
		kinds |= REPORT_DELETED;
	if (mask & (FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE))
		kinds |= REPORT_CHANGED;
	if (mask & FAN_RENAME)
		kinds |= ALL; /* both names have this mask */
	sink->report(sink->arg, end + 1, kinds);
}

/* Finds "key":"TEXT" and decodes the text. Returns the byte after it, or NULL. */
static const char *json_text(const char *line, const char *key, char text[NAME_PATH_MAX])
{
	const char *at = strstr(line, key);
	size_t len = 0;

	if (!at)
		return NULL;
	for (at += strlen(key); *at && *at != '"' && len + 1 < NAME_PATH_MAX; at++) {
		if (*at == '\\' && at[1] == 'u' && strlen(at) >= 6) {
			char hex[5] = { at[2], at[3], at[4], at[5], '\0' };

			text[len++] = (char)strtoul(hex, NULL, 16); /* control characters only */
			at += 5;
		} else {
			at += *at == '\\' && at[1];
			text[len++] = *at;
		}
	}
	text[len] = '\0';
	return at;
}

static void read_json(const struct sink *sink, const char *line)
{
	static char event[NAME_PATH_MAX], path[NAME_PATH_MAX];
	const struct word *word;

	if (!json_text(line, "\"event\":\"", event))
		return;
	if (strcmp(event, "move") == 0) {
		if (json_text(line, "\"from\":\"", path))
			sink->report(sink->arg, path, REPORT_DELETED);
		if (json_text(line, "\"to\":\"", path))
			sink->report(sink->arg, path, REPORT_CREATED);
		return;
	}
	word = find_word(event, strlen(event));
	if (word && json_text(line, "\"path\":\"", path))
		sink->report(sink->arg, path, word->kinds);
}

/* {"files":[{"new":true,"exists":true,"name":"a/b"},...]...}, members in any order. A new name may
 * have had another file before. */
static void read_watchman(const struct sink *sink, char *line)
{
	static char path[NAME_PATH_MAX];
	char *object = strstr(line, "\"files\":[");

	while (object && (object = strchr(object, '{'))) {
		char *end = strchr(object, '}'); /* a name with a brace is not expected here */
		unsigned kinds = REPORT_CHANGED;

		if (!end)
			break;
		*end = '\0';
		if (strstr(object, "\"exists\":false"))
			kinds = REPORT_DELETED;
		else if (strstr(object, "\"new\":true"))
			kinds = REPORT_CREATED;
		if (json_text(object, "\"name\":\"", path))
			sink->report(sink->arg, path, kinds);
		object = end + 1;
	}
}

void reports_read(FILE *from, const char *format, reports_fn *report, void *arg)
{
	const struct sink sink = { report, arg };
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, from) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(format, "json") == 0)
			read_json(&sink, line);
		else if (strcmp(format, "words") == 0)
			read_words(&sink, line);
		else if (strcmp(format, "raw") == 0)
			read_raw(&sink, line);
		else if (strcmp(format, "watchman") == 0)
			read_watchman(&sink, line);
		else
			bench_die(0, "unknown format %s", format);
	}
	free(line);
}
