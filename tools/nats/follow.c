/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 500 /* between two looks whether the receiver is gone */

/* ---- writing ---- */

static int put(struct reader *r, const char *share, const struct hw_event *event)
{
	const struct hw_subscribe *s = &r->request;
	struct hw_event seen[HW_BELOW_MAX];
	int count = 1, result = 0;

	seen[0] = *event;
	if (s->below)
		count = hw_event_below(event, s->below, s->below_len, seen);
	for (int i = 0; i < count && result == 0; i++)
		result = hw_json_put_event(&r->buf, share, &seen[i]);
	return result < 0 ? reader_fail("%s", strerror(-result)) : reader_write(r);
}

/* Events are missing before this one. */
static int put_rescan(struct reader *r, const char *share, const struct hw_event *before)
{
	struct hw_event event = *before;

	hw_event_make_rescan(&event, "", 0);
	if (event.seq)
		event.seq--;
	return put(r, share, &event);
}

/* ---- what is missing, and what came twice ---- */

static bool is_before(const struct reader_share *share, const struct nats_head *head)
{
	return share->epoch == head->epoch && !head->rescan && head->seq <= share->seq;
}

static bool is_after_gap(const struct reader_share *share, const struct nats_head *head)
{
	return !head->rescan && (share->epoch != head->epoch || head->seq != share->seq + 1);
}

static int pass_on(struct reader *r, struct reader_share *share, const struct nats_head *head,
		   struct hw_event *event)
{
	bool gap = is_after_gap(share, head);
	int result = 0;

	if (is_before(share, head))
		return 0;
	if (head->tree) {
		/* Who has the rescan without the end of its tree has the events before it only. */
		event->seq = share->epoch == head->epoch ? share->seq : 0;
		share->in_tree = true;
		share->part = 0;
	}
	share->epoch = head->epoch;
	share->seq = event->seq;
	if (share->epoch != share->said_epoch)
		result = reader_say_hello(r);
	if (result == 0 && gap)
		result = put_rescan(r, share->name, event);
	return result == 0 ? put(r, share->name, event) : result;
}

/* Passes on a line of a part, if all parts before it were passed on. */
static int pass_on_entry(struct reader *r, struct reader_share *share, const struct nats_head *head,
			 const struct hw_json_message *line)
{
	int result;

	share->in_tree =
		share->in_tree && head->epoch == share->epoch && head->part - share->part <= 1;
	if (!share->in_tree)
		return 0;
	share->part = head->part;
	if (line->what == HW_JSON_EVENT)
		return put(r, share->name, &line->event);
	share->in_tree = false;
	share->seq = head->seq;
	result = hw_json_put_snapshot_end(&r->buf, share->name, head->seq);
	return result < 0 ? reader_fail("%s", strerror(-result)) : reader_write(r);
}

/* Passes over the messages up to the event after which the receiver resumes. Returns whether this
 * one is to be passed on. */
static bool seek(struct reader *r, struct reader_share *share, const struct nats_head *head)
{
	const struct hw_subscribe *s = &r->request;

	if (!r->seeking)
		return true;
	if (head->epoch == s->epoch && head->seq >= s->after) {
		/* The place, or the first message after it. */
		r->seeking = false;
		share->epoch = s->epoch;
		share->seq = s->after;
		share->said_epoch = s->epoch;
		/* A tree without a message of this event before it is the place. */
		share->has_tree = head->tree && head->seq == s->after && s->after;
		return head->seq > s->after || (head->rescan && !s->after);
	}
	if (head->at < r->end)
		return false;
	/* The stream does not have the place: this begins with a rescan. */
	r->seeking = false;
	share->epoch = 0;
	return true;
}

/* Returns whether this message belongs to the tree after which the receiver resumes. */
static bool is_of_place(struct reader_share *share, const struct nats_head *head)
{
	share->has_tree = share->has_tree && head->tree && head->epoch == share->epoch &&
			  head->seq == share->seq;
	return share->has_tree;
}

static int take_line(struct reader *r, const struct nats_head *head, struct hw_json_message *line)
{
	struct reader_share *share;

	if (!reader_wants(r, line->share))
		return 0;
	share = reader_find(r, line->share);
	if (!share)
		return reader_fail("out of memory");
	if (!seek(r, share, head) || is_of_place(share, head))
		return 0;
	if (head->tree && !head->rescan)
		return pass_on_entry(r, share, head, line);
	return line->what == HW_JSON_EVENT ? pass_on(r, share, head, &line->event) : 0;
}

static int take(struct reader *r, natsMsg *msg, uint64_t at)
{
	struct hw_json_message line;
	struct nats_head head;
	char *text = strndup(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), *next;
	int result = 0;

	if (!text)
		return reader_fail("out of memory");
	/* A message of something else is passed over. */
	if (!nats_read_head(msg, &head))
		*text = '\0';
	head.at = at;
	for (char *start = text; result == 0 && *start; start = next) {
		size_t len = strcspn(start, "\n");

		next = start + len + (start[len] != '\0');
		if (hw_json_parse_line(start, len, &line) == 0 && line.share &&
		    (line.what == HW_JSON_EVENT || line.what == HW_JSON_SNAPSHOT_END))
			result = take_line(r, &head, &line);
	}
	free(text);
	return result;
}

/* ---- the loop ---- */

/* From the beginning, the shares have no last event; from the end, that of hello. */
static void prepare(struct reader *r, jsSubOptions *options)
{
	bool all = r->all || r->request.resume;

	(void)jsSubOptions_Init(options);
	options->Stream = r->settings.stream;
	options->Ordered = true;
	options->Config.DeliverPolicy = all ? js_DeliverAll : js_DeliverByStartSequence;
	options->Config.OptStartSeq = all ? 0 : r->end + 1;
	for (uint32_t i = 0; all && i < r->share_count; i++)
		r->shares[i].epoch = r->shares[i].seq = 0;
}

static int explain(natsStatus status)
{
	char why[NATS_WHY_MAX];

	nats_explain(status, "the stream cannot be read any more", why);
	return reader_fail("%s", why);
}

static bool is_gone(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLRDHUP };

	return poll(&fd, 1, 0) > 0;
}

static int next(struct reader *r, natsSubscription *sub)
{
	natsMsg *msg = NULL;
	jsMsgMetaData *meta = NULL;
	natsStatus s = natsSubscription_NextMsg(&msg, sub, WAIT_MS);
	int result = 0;

	if (s == NATS_TIMEOUT)
		return natsConnection_IsClosed(r->nc) ? explain(NATS_CONNECTION_CLOSED) : 0;
	if (s == NATS_OK)
		s = natsMsg_GetMetaData(&meta, msg);
	result = s == NATS_OK ? take(r, msg, meta->Sequence.Stream) : explain(s);
	jsMsgMetaData_Destroy(meta);
	natsMsg_Destroy(msg);
	return result;
}

int reader_follow(struct reader *r)
{
	char filter[NATS_SUBJECT_MAX];
	natsSubscription *sub = NULL;
	jsSubOptions options;
	natsStatus s;
	int result = 0;

	prepare(r, &options);
	(void)snprintf(filter, sizeof(filter), "%s.>", r->subject);
	s = js_SubscribeSync(&sub, r->js, filter, NULL, &options, NULL);
	if (s != NATS_OK)
		return explain(s);
	while (result == 0 && !is_gone())
		result = next(r, sub);
	natsSubscription_Destroy(sub);
	return result;
}
