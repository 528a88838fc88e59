/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int reader_fail(const char *format, ...)
{
	va_list args;

	fputs("hostwatch tail: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

int reader_write(struct reader *r)
{
	size_t done = 0;

	while (done < r->buf.len) {
		ssize_t n = write(STDOUT_FILENO, r->buf.data + done, r->buf.len - done);

		if (n < 0 && errno != EINTR)
			return -1; /* the receiver is gone */
		done += n > 0 ? (size_t)n : 0;
	}
	r->buf.len = 0;
	return 0;
}

struct reader_share *reader_find(struct reader *r, const char *name)
{
	struct reader_share *shares;

	for (uint32_t i = 0; i < r->share_count; i++)
		if (strcmp(r->shares[i].name, name) == 0)
			return &r->shares[i];
	shares = reallocarray(r->shares, r->share_count + 1, sizeof(*shares));
	if (!shares)
		return NULL;
	r->shares = shares;
	shares[r->share_count] = (struct reader_share){ .name = strdup(name) };
	return shares[r->share_count].name ? &shares[r->share_count++] : NULL;
}

bool reader_wants(const struct reader *r, const char *share)
{
	return !r->request.share || strcmp(r->request.share, share) == 0;
}

/* ---- hello ---- */

int reader_say_hello(struct reader *r)
{
	struct hw_share_info *infos = calloc(r->share_count + 1, sizeof(*infos));
	uint32_t count = 0;
	int result;

	if (!infos)
		return reader_fail("out of memory");
	for (uint32_t i = 0; i < r->share_count; i++) {
		struct reader_share *share = &r->shares[i];

		if (!reader_wants(r, share->name))
			continue;
		share->said_epoch = share->epoch;
		infos[count++] = (struct hw_share_info){
			.struct_size = sizeof(*infos),
			.state = HW_SHARE_ONLINE,
			.name = share->name,
			.epoch = share->epoch,
			.seq = share->seq,
		};
	}
	result = hw_json_put_hello(&r->buf, HW_VERSION, infos, count);
	free(infos);
	return result < 0 ? reader_fail("out of memory") : reader_write(r);
}

int reader_fail_to_read(natsStatus s)
{
	char why[NATS_WHY_MAX];

	nats_explain(s, "cannot read the state of the stream", why);
	return reader_fail("%s", why);
}

/* Adds the share whose events have this subject and any kind. */
static int add_share(struct reader *r, const char *subject, size_t len)
{
	struct nats_head head = { 0 };
	struct hw_json_message line;
	struct reader_share *share;
	char filter[NATS_SUBJECT_MAX];
	natsMsg *msg = NULL;
	natsStatus s;
	char *text;

	(void)snprintf(filter, sizeof(filter), "%.*s.*", (int)len, subject);
	s = js_GetLastMsg(&msg, r->js, r->settings.stream, filter, NULL, NULL);
	if (s == NATS_NOT_FOUND)
		return 0; /* removed meanwhile */
	if (s != NATS_OK)
		return reader_fail_to_read(s);
	text = strndup(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
	if (text && nats_read_head(msg, &head) &&
	    hw_json_parse_line(text, strcspn(text, "\n"), &line) == 0 && line.share &&
	    (line.what == HW_JSON_EVENT || line.what == HW_JSON_SNAPSHOT_END)) {
		share = reader_find(r, line.share);
		r->is_share |= len == strlen(r->subject);
		if (share) {
			share->epoch = head.epoch;
			share->seq = head.seq;
		}
	}
	free(text);
	natsMsg_Destroy(msg);
	return 0;
}

/* Subjects end with the kind. The shares are few: a list that was seen is kept as text. */
static int add_shares(struct reader *r, const jsStreamStateSubjects *subjects)
{
	int result = 0;

	for (int i = 0; subjects && i < subjects->Count && result == 0; i++) {
		const char *subject = subjects->List[i].Subject, *kind = strrchr(subject, '.');
		bool seen = false;

		if (!kind)
			continue;
		for (int k = 0; k < i && !seen; k++) {
			const char *other = subjects->List[k].Subject;

			seen = strncmp(other, subject, (size_t)(kind - subject) + 1) == 0 &&
			       !strchr(other + (kind - subject) + 1, '.');
		}
		if (!seen)
			result = add_share(r, subject, (size_t)(kind - subject));
	}
	return result;
}

int reader_greet(struct reader *r)
{
	char filter[NATS_SUBJECT_MAX];
	jsStreamInfo *info = NULL;
	jsOptions options;
	natsStatus s;
	int result;

	(void)jsOptions_Init(&options);
	(void)snprintf(filter, sizeof(filter), "%s.>", r->subject);
	options.Stream.Info.SubjectsFilter = filter;
	s = js_GetStreamInfo(&info, r->js, r->settings.stream, &options, NULL);
	if (s == NATS_NOT_FOUND)
		return reader_fail("the server has no stream %s; name another as stream in the "
				   "file of --nats",
				   r->settings.stream);
	if (s != NATS_OK)
		return reader_fail_to_read(s);
	r->end = info->State.LastSeq;
	result = add_shares(r, info->State.Subjects);
	jsStreamInfo_Destroy(info);
	return result < 0 ? result : reader_say_hello(r);
}

/* ---- the request ---- */

int reader_take_request(struct reader *r)
{
	static char line[HW_JSON_REQUEST_MAX + 1]; /* the request points into it */
	struct hw_ask ask;
	const char *error = NULL;
	size_t len = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, line + len, sizeof(line) - len);
		char *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1; /* the receiver is gone */
		newline = memchr(line + len, '\n', (size_t)n);
		len += (size_t)n;
		if (newline) {
			if (hw_json_parse_ask(line, (size_t)(newline - line), &ask, &error) < 0)
				return reader_fail("request: %s", error);
			r->request = ask.subscribe;
			r->seeking = r->request.resume;
			return 0;
		}
		if (len == sizeof(line))
			return reader_fail("the request is too long");
	}
}
