/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BYTES (INT64_C(1) << 30)
#define DUPLICATES_NS (INT64_C(120) * 1000000000)
#define READ_MS 5000

/* ---- names ---- */

static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

int nats_subject(const char *prefix, const char *share, char ret[NATS_SUBJECT_MAX])
{
	size_t used = (size_t)snprintf(ret, NATS_SUBJECT_MAX, "%s.", prefix);

	for (; *share && used + 4 < NATS_SUBJECT_MAX; share++) {
		if (is_plain(*share))
			ret[used++] = *share;
		else
			used += (size_t)snprintf(ret + used, NATS_SUBJECT_MAX - used, "%%%02X",
						 (unsigned char)*share);
	}
	if (*share || used >= NATS_SUBJECT_MAX)
		return -ENAMETOOLONG;
	ret[used] = '\0';
	return 0;
}

const char *nats_check_prefix(const char *prefix)
{
	size_t len = strlen(prefix);

	if (!len || len > 200)
		return "a prefix has 1 to 200 characters";
	for (size_t i = 0; i < len; i++)
		if (!is_plain(prefix[i]) && prefix[i] != '.')
			return "a prefix consists of letters, digits, '_' and '-', in parts "
			       "separated by '.'";
	if (prefix[0] == '.' || prefix[len - 1] == '.' || strstr(prefix, ".."))
		return "a part of the prefix is empty";
	return NULL;
}

const char *nats_check_stream(const char *stream)
{
	size_t len = strlen(stream);

	for (size_t i = 0; i < len; i++)
		if (!is_plain(stream[i]))
			return "the name of a stream consists of letters, digits, '_' and '-'";
	return len && len <= 200 ? NULL : "the name of a stream has 1 to 200 characters";
}

/* ---- headers ---- */

static bool read_number(natsMsg *msg, const char *key, int base, uint64_t *ret)
{
	const char *text = NULL;
	char *end;

	if (natsMsgHeader_Get(msg, key, &text) != NATS_OK || !text ||
	    !isxdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, base);
	return !errno && !*end;
}

static void read_acked(natsMsg *msg, struct nats_head *ret)
{
	const char *text = NULL;

	if (natsMsgHeader_Get(msg, NATS_HEADER_ACKED, &text) == NATS_OK && text &&
	    sscanf(text, "%" SCNu64 " %" SCNu64, &ret->acked, &ret->acked_at) == 2)
		return;
	ret->acked = ret->acked_at = 0;
}

static void read_tree(natsMsg *msg, struct nats_head *ret)
{
	const char *text = NULL;
	char *end;

	if (natsMsgHeader_Get(msg, NATS_HEADER_TREE, &text) != NATS_OK || !text ||
	    !isdigit((unsigned char)*text))
		return;
	ret->part = strtoull(text, &end, 10);
	ret->tree = true;
	ret->tree_end = strcmp(end, " end") == 0;
}

bool nats_read_head(natsMsg *msg, struct nats_head *ret)
{
	const char *kind = strrchr(natsMsg_GetSubject(msg), '.');

	*ret = (struct nats_head){ .rescan = kind && strcmp(kind, ".rescan") == 0 };
	if (!read_number(msg, NATS_HEADER_EPOCH, 16, &ret->epoch) || !ret->epoch ||
	    !read_number(msg, NATS_HEADER_SEQ, 10, &ret->seq))
		return false;
	read_acked(msg, ret);
	read_tree(msg, ret);
	return true;
}

/* ---- the place of a share ---- */

static int fail(natsStatus status, const char *what, char why[NATS_WHY_MAX])
{
	nats_explain(status, what, why);
	return -EIO;
}

static int read_last(jsCtx *js, const char *stream, struct nats_place *place,
		     char why[NATS_WHY_MAX])
{
	char filter[NATS_SUBJECT_MAX + 2];
	natsMsg *msg = NULL;
	jsErrCode code = 0;
	natsStatus r;

	(void)snprintf(filter, sizeof(filter), "%s.>", place->subject);
	r = js_GetLastMsg(&msg, js, stream, filter, NULL, &code);
	place->last = (struct nats_head){ 0 };
	if (r == NATS_NOT_FOUND)
		return 0;
	if (r != NATS_OK)
		return fail(r, "cannot read the last message of the stream", why);
	/* A message that something else wrote: the place is not known. */
	if (!nats_read_head(msg, &place->last))
		place->last = (struct nats_head){ 0 };
	place->last.at = natsMsg_GetSequence(msg);
	natsMsg_Destroy(msg);
	return 0;
}

static natsStatus next_head(natsSubscription *sub, struct nats_head *ret)
{
	natsMsg *msg = NULL;
	jsMsgMetaData *meta = NULL;
	natsStatus r = natsSubscription_NextMsg(&msg, sub, READ_MS);

	if (r == NATS_OK)
		r = natsMsg_GetMetaData(&meta, msg);
	if (r == NATS_OK) {
		if (!nats_read_head(msg, ret))
			*ret = (struct nats_head){ 0 };
		ret->at = meta->Sequence.Stream;
	}
	jsMsgMetaData_Destroy(meta);
	natsMsg_Destroy(msg);
	return r;
}

/* Reads the messages after the last one that is known to have none missing before it. */
static natsStatus walk(natsSubscription *sub, struct nats_place *place)
{
	const struct nats_head *last = &place->last;
	uint64_t expected = last->acked + 1;
	struct nats_head head = { 0 };
	natsStatus r = NATS_OK;

	while (r == NATS_OK && head.at < last->at && !place->hole) {
		r = next_head(sub, &head);
		if (r != NATS_OK)
			break;
		place->hole = head.epoch != last->epoch || head.at > last->at ||
			      (!head.rescan && !head.tree && head.seq != expected);
		expected = head.seq + 1;
	}
	return r;
}

static int look_for_hole(jsCtx *js, const char *stream, struct nats_place *place,
			 char why[NATS_WHY_MAX])
{
	char filter[NATS_SUBJECT_MAX + 2];
	natsSubscription *sub = NULL;
	jsSubOptions options;
	natsStatus r;

	(void)snprintf(filter, sizeof(filter), "%s.>", place->subject);
	(void)jsSubOptions_Init(&options);
	options.Stream = stream;
	options.Ordered = true;
	options.Config.DeliverPolicy = js_DeliverByStartSequence;
	options.Config.OptStartSeq = place->last.acked_at + 1;
	r = js_SubscribeSync(&sub, js, filter, NULL, &options, NULL);
	if (r == NATS_OK)
		r = walk(sub, place);
	natsSubscription_Destroy(sub);
	return r == NATS_OK ? 0 : fail(r, "cannot read the end of the stream", why);
}

int nats_find_place(jsCtx *js, const char *stream, struct nats_place *place, char why[NATS_WHY_MAX])
{
	const struct nats_head *last = &place->last;
	int r = read_last(js, stream, place, why);

	place->hole = false;
	if (r < 0 || !last->epoch || last->rescan || last->tree || last->seq <= last->acked + 1)
		return r;
	return look_for_hole(js, stream, place, why);
}

bool nats_has_tree(jsCtx *js, const char *stream, const struct nats_place *place)
{
	char subject[NATS_SUBJECT_MAX + 8];
	struct nats_head head;
	natsMsg *msg = NULL;
	natsStatus r;
	bool has;

	(void)snprintf(subject, sizeof(subject), "%s.rescan", place->subject);
	r = js_GetLastMsg(&msg, js, stream, subject, NULL, NULL);
	/* One that was published without publish_tree has none. */
	has = r == NATS_OK ? nats_read_head(msg, &head) && head.tree : r != NATS_NOT_FOUND;
	natsMsg_Destroy(msg);
	return has;
}

/* ---- the stream ---- */

static int create_stream(jsCtx *js, const char *stream, const char *prefix, char why[NATS_WHY_MAX])
{
	char subjects[NATS_SUBJECT_MAX];
	const char *list[] = { subjects };
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus r;

	(void)snprintf(subjects, sizeof(subjects), "%s.>", prefix);
	(void)jsStreamConfig_Init(&config);
	config.Name = stream;
	config.Subjects = list;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Discard = js_DiscardOld;
	config.MaxBytes = STREAM_BYTES;
	config.Duplicates = DUPLICATES_NS;
	config.Replicas = 1;
	r = js_AddStream(NULL, js, &config, NULL, &code);
	return r == NATS_OK ? 0 : fail(r, "cannot create the stream", why);
}

static int explain_missing(const char *stream, const char *prefix, char why[NATS_WHY_MAX])
{
	(void)snprintf(why, NATS_WHY_MAX,
		       "the server has no stream %s; set create_stream = yes, or run: nats stream "
		       "add %s --subjects '%s.>' --storage file --retention limits --discard old "
		       "--dupe-window 2m --defaults",
		       stream, stream, prefix);
	return -EIO;
}

int nats_find_stream(jsCtx *js, const char *stream, const char *prefix, bool create,
		     int32_t *ret_max, char why[NATS_WHY_MAX])
{
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus r = js_GetStreamInfo(&info, js, stream, NULL, &code);

	*ret_max = 0;
	if (r == NATS_OK) {
		*ret_max = info->Config->MaxMsgSize > 0 ? info->Config->MaxMsgSize : 0;
		jsStreamInfo_Destroy(info);
		return 0;
	}
	if (r == NATS_NO_RESPONDERS || code == JSNotEnabledErr) {
		(void)snprintf(why, NATS_WHY_MAX,
			       "JetStream is not enabled on the server; add a block jetstream { } "
			       "to its configuration");
		return -EIO;
	}
	if (r != NATS_NOT_FOUND)
		return fail(r, "cannot read the state of the stream", why);
	return create ? create_stream(js, stream, prefix, why)
		      : explain_missing(stream, prefix, why);
}
