/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles a request for a share of which the stream has no event. */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 8u

/* Subjects without their kind, borrowed from the answer of the server. */
struct listed {
	struct {
		const char *subject;
		size_t len;
	} items[LISTED_MAX];
	size_t count;
	bool more;
};

static int compare(const void *a, const void *b)
{
	const jsStreamStateSubject *x = a, *y = b;

	return strcmp(x->Subject, y->Subject);
}

/* Leaves out subjects that no sink writes: they may have any bytes. */
static void add(struct listed *l, const char *subject)
{
	const char *kind = strrchr(subject, '.');
	size_t len = kind ? (size_t)(kind - subject) : 0;

	if (!kind || subject[strspn(subject, NATS_SUBJECT_CHARS)] ||
	    (l->count && l->items[l->count - 1].len == len &&
	     memcmp(l->items[l->count - 1].subject, subject, len) == 0))
		return;
	l->more = l->count == LISTED_MAX;
	if (l->more)
		return;
	l->items[l->count].subject = subject;
	l->items[l->count++].len = len;
}

static void list(struct listed *l, jsStreamStateSubjects *subjects)
{
	if (!subjects)
		return;
	qsort(subjects->List, (size_t)subjects->Count, sizeof(*subjects->List), compare);
	for (int i = 0; i < subjects->Count && !l->more; i++)
		add(l, subjects->List[i].Subject);
}

static void print_list(const struct listed *l)
{
	fputs(l->count ? "; shares there: " : "; it has no event of any share", stderr);
	for (size_t i = 0; i < l->count; i++)
		fprintf(stderr, "%s%.*s", i ? ", " : "", (int)l->items[i].len, l->items[i].subject);
	fputs(l->more ? ", ...\n" : "\n", stderr);
}

static int say_waiting(const struct reader *r)
{
	const char *share = r->request.share;
	struct listed listed = { 0 };
	jsStreamInfo *info = NULL;
	jsOptions options;
	natsStatus s;

	(void)jsOptions_Init(&options);
	options.Stream.Info.SubjectsFilter = ">";
	s = js_GetStreamInfo(&info, r->js, r->settings.stream, &options, NULL);
	if (s != NATS_OK)
		return reader_fail_to_read(s);
	list(&listed, info->State.Subjects);
	fprintf(stderr, "hostwatch tail: no event of %s%s%s%s in stream %s yet, waiting",
		share ? "share " : "", share ? share : "", share ? " below " : "", r->subject,
		r->settings.stream);
	print_list(&listed);
	jsStreamInfo_Destroy(info);
	return 0;
}

static bool is_there(const struct reader *r)
{
	for (uint32_t i = 0; i < r->share_count; i++)
		if (reader_wants(r, r->shares[i].name))
			return true;
	return false;
}

int reader_check_request(const struct reader *r)
{
	if (is_there(r))
		return 0;
	if (!r->is_share)
		return say_waiting(r);
	(void)reader_fail("%s is the subject of another share than %s, which --share or the file "
			  "of --state names",
			  r->subject, r->request.share);
	return READER_REFUSED;
}
