/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_text.h"
#include "word.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <string.h>

/* ---- numbers and fixed text ---- */

static char *write_i64(char *out, int64_t value)
{
	if (value >= 0)
		return hw_json_write_u64(out, (uint64_t)value);
	*out = '-';
	return hw_json_write_u64(out + 1, 0 - (uint64_t)value);
}

/* The compiler knows the length, so this is a few stores. */
#define WRITE(out, literal)                                                                        \
	(memcpy((out), (literal), sizeof(literal) - 1), (out) + sizeof(literal) - 1)

static const char hex_digits[] = "0123456789abcdef";

static char *write_hex64(char *out, uint64_t value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*out++ = hex_digits[value >> shift & 15];
	return out;
}

/* ---- events ---- */

/* Paths have these keys, each with what precedes and what follows it. */
static const struct hw_word path_key = HW_WORD(",\"path\":\"");
static const struct hw_word from_key = HW_WORD(",\"from\":\"");
static const struct hw_word to_key = HW_WORD(",\"to\":\"");

#define PATH_OVERHEAD 40u /* ,"path":"","path_b64":"" */

static size_t path_size(const struct hw_json_text *text)
{
	return PATH_OVERHEAD + text->written + (text->valid ? 0 : hw_json_base64_size(text->len));
}

static char *write_base64(char *out, const struct hw_word *key, const struct hw_json_text *text)
{
	out = WRITE(out, "\"");
	out = hw_word_write(out, key) - 3; /* without its end */
	out = WRITE(out, "_b64\":\"");
	return hw_json_write_base64(out, text->bytes, text->len);
}

static char *write_path(char *out, const struct hw_word *key, const struct hw_json_text *text)
{
	out = hw_word_write(out, key);
	out = hw_json_write_text(out, text);
	if (!text->valid)
		out = write_base64(out, key, text);
	*out = '"';
	return out + 1;
}

static char *write_move(char *out, const struct hw_event *event, const struct hw_json_text *from,
			const struct hw_json_text *to)
{
	if (event->from)
		out = write_path(out, &from_key, from);
	if (event->path)
		out = write_path(out, &to_key, to);
	if (event->flags & HW_FLAG_REPLACED)
		out = WRITE(out, ",\"replaced\":true");
	if (event->flags & HW_FLAG_EXCHANGE)
		out = WRITE(out, ",\"exchange\":true");
	return out;
}

static bool is_head_of(const struct hw_json_head *head, const char *share, int64_t time_ns)
{
	return head && head->len && head->time_ns == time_ns && strcmp(head->share, share) == 0;
}

static void keep_head(struct hw_json_head *head, const struct hw_json_text *share, int64_t time_ns,
		      const char *text, size_t len)
{
	head->len = 0;
	if (share->len >= sizeof(head->share) || len > sizeof(head->text))
		return;
	head->len = (uint32_t)len;
	head->time_ns = time_ns;
	memcpy(head->share, share->bytes, share->len + 1);
	memcpy(head->text, text, len);
}

static char *write_head(char *out, const struct hw_json_text *share, int64_t time_ns)
{
	out = WRITE(out, ",\"time\":");
	out = write_i64(out, time_ns);
	out = WRITE(out, ",\"share\":\"");
	out = hw_json_write_text(out, share);
	return WRITE(out, "\",\"event\":\"");
}

static char *write_kind(char *out, const struct hw_event *event)
{
	out = hw_word_write(out, &hw_kind_words[event->kind]);
	if (event->type) {
		out = WRITE(out, "\",\"type\":\"");
		out = hw_word_write(out, &hw_type_words[event->type]);
	}
	*out = '"';
	return out + 1;
}

static bool event_valid(const struct hw_event *event)
{
	return event->kind && event->kind < HW_KIND_END && event->type < HW_TYPE_END &&
	       event->path_len <= HW_PATH_MAX && event->from_len <= HW_PATH_MAX &&
	       (event->path || (event->kind == HW_MOVE && event->from));
}

/* head: NULL if none is kept. */
static int put_event(struct hw_json_head *head, struct hw_buf *buf, const char *share,
		     const struct hw_event *event)
{
	bool kept = is_head_of(head, share, event->time_ns);
	struct hw_json_text name = { .bytes = share }, path, from;
	char *out, *begin;
	int r;

	if (!event_valid(event))
		return -EINVAL;
	if (!kept)
		hw_json_measure(&name, share, strlen(share));
	hw_json_measure(&path, event->path, event->path ? event->path_len : 0);
	hw_json_measure(&from, event->from, event->from ? event->from_len : 0);
	/* 224: keys, words and numbers of the longest line, and the head that is kept */
	r = hw_buf_reserve(buf, 224 + name.written + path_size(&path) + path_size(&from));
	if (r < 0)
		return r;
	out = WRITE(buf->data + buf->len, "{\"seq\":");
	begin = hw_json_write_u64(out, event->seq);
	if (kept) {
		memcpy(begin, head->text, sizeof(head->text)); /* more than it has, but no call */
		out = begin + head->len;
	} else {
		out = write_head(begin, &name, event->time_ns);
		if (head)
			keep_head(head, &name, event->time_ns, begin, (size_t)(out - begin));
	}
	out = write_kind(out, event);
	if (event->kind == HW_MOVE)
		out = write_move(out, event, &from, &path);
	else
		out = write_path(out, &path_key, &path);
	out = WRITE(out, "}\n");
	buf->len = (size_t)(out - buf->data);
	return 0;
}

int hw_json_put_event(struct hw_buf *buf, const char *share, const struct hw_event *event)
{
	return put_event(NULL, buf, share, event);
}

int hw_json_put_next_event(struct hw_json_head *head, struct hw_buf *buf, const char *share,
			   const struct hw_event *event)
{
	return put_event(head, buf, share, event);
}

/* ---- other lines ---- */

static int put(struct hw_buf *buf, const char *text)
{
	return hw_buf_append(buf, text, strlen(text));
}

static int put_text(struct hw_buf *buf, const char *bytes, size_t len)
{
	struct hw_json_text text;
	int r;

	hw_json_measure(&text, bytes, len);
	r = hw_buf_reserve(buf, text.written);
	if (r < 0)
		return r;
	buf->len = (size_t)(hw_json_write_text(buf->data + buf->len, &text) - buf->data);
	return 0;
}

static int put_u64(struct hw_buf *buf, uint64_t value)
{
	char digits[20];

	return hw_buf_append(buf, digits, (size_t)(hw_json_write_u64(digits, value) - digits));
}

/* Ends a message that was written in several appends: removes all of it if one of them failed. */
static int finish(struct hw_buf *buf, size_t start, int r)
{
	if (r < 0)
		buf->len = start;
	return r;
}

static int put_share(struct hw_buf *buf, const struct hw_share_info *info)
{
	const char *state = hw_state_name(info->state);
	char epoch[16];
	int r = -EINVAL;

	write_hex64(epoch, info->epoch);
	if (!state || (r = put(buf, "{\"name\":\"")) < 0 ||
	    (r = put_text(buf, info->name, strlen(info->name))) < 0 ||
	    (r = put(buf, "\",\"epoch\":\"")) < 0 ||
	    (r = hw_buf_append(buf, epoch, sizeof(epoch))) < 0 ||
	    (r = put(buf, "\",\"seq\":")) < 0 || (r = put_u64(buf, info->seq)) < 0 ||
	    (r = put(buf, ",\"state\":\"")) < 0 || (r = put(buf, state)) < 0)
		return r;
	return put(buf, "\"}");
}

int hw_json_put_hello(struct hw_buf *buf, const char *version, const struct hw_share_info *shares,
		      uint32_t count)
{
	size_t start = buf->len;
	int r;

	if ((r = put(buf, "{\"hello\":{\"protocol\":")) < 0 ||
	    (r = put_u64(buf, HW_PROTOCOL_VERSION)) < 0 || (r = put(buf, ",\"version\":\"")) < 0 ||
	    (r = put_text(buf, version, strlen(version))) < 0 ||
	    (r = put(buf, "\",\"shares\":[")) < 0)
		return finish(buf, start, r);
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		r = i ? put(buf, ",") : 0;
		if (r >= 0)
			r = put_share(buf, &shares[i]);
	}
	if (r >= 0)
		r = put(buf, "]}}\n");
	return finish(buf, start, r);
}

static int put_string(struct hw_buf *buf, const char *key, const char *bytes, size_t len)
{
	int r;

	if ((r = put(buf, key)) < 0 || (r = put(buf, "\"")) < 0 ||
	    (r = put_text(buf, bytes, len)) < 0)
		return r;
	return put(buf, "\"");
}

static int put_end(struct hw_buf *buf, const char *head, const char *share, uint64_t seq)
{
	size_t start = buf->len;
	int r;

	if ((r = put(buf, head)) < 0 || (r = put_u64(buf, seq)) < 0)
		return finish(buf, start, r);
	if (share && (r = put_string(buf, ",\"share\":", share, strlen(share))) < 0)
		return finish(buf, start, r);
	return finish(buf, start, put(buf, "}\n"));
}

int hw_json_put_snapshot_end(struct hw_buf *buf, const char *share, uint64_t seq)
{
	return put_end(buf, "{\"snapshot\":\"end\",\"seq\":", share, seq);
}

int hw_json_put_resumed_end(struct hw_buf *buf, const char *share, uint64_t seq)
{
	return put_end(buf, "{\"resumed\":\"end\",\"seq\":", share, seq);
}

int hw_json_put_synced(struct hw_buf *buf, const char *text, const struct hw_share_info *info)
{
	size_t start = buf->len;
	char epoch[16];
	int r;

	write_hex64(epoch, info->epoch);
	if ((r = put_string(buf, "{\"synced\":", text, strlen(text))) >= 0 &&
	    (r = put_string(buf, ",\"share\":", info->name, strlen(info->name))) >= 0 &&
	    (r = put_string(buf, ",\"epoch\":", epoch, sizeof(epoch))) >= 0 &&
	    (r = put(buf, ",\"seq\":")) >= 0 && (r = put_u64(buf, info->seq)) >= 0)
		r = put(buf, "}\n");
	return finish(buf, start, r);
}

int hw_json_put_place(struct hw_buf *buf, const char *share, const char *path, uint32_t len)
{
	struct hw_json_text text;
	size_t start = buf->len;
	int r;

	hw_json_measure(&text, path, len);
	r = put_string(buf, "{\"share\":", share, strlen(share));
	if (r >= 0)
		r = hw_buf_reserve(buf, path_size(&text) + 2);
	if (r < 0)
		return finish(buf, start, r);
	buf->len = (size_t)(write_path(buf->data + buf->len, &path_key, &text) - buf->data);
	return finish(buf, start, put(buf, "}\n"));
}

int hw_json_put_error(struct hw_buf *buf, const char *text)
{
	size_t start = buf->len;
	int r;

	if ((r = put(buf, "{\"error\":\"")) < 0 || (r = put_text(buf, text, strlen(text))) < 0)
		return finish(buf, start, r);
	return finish(buf, start, put(buf, "\"}\n"));
}

/* Writes `"key":"` or `,"key":"`, depending on the position. */
static int put_key(struct hw_buf *buf, bool *first, const char *key)
{
	int r = put(buf, *first ? "\"" : ",\"");

	*first = false;
	if (r >= 0)
		r = put(buf, key);
	return r < 0 ? r : put(buf, "\":");
}

static int put_string_key(struct hw_buf *buf, bool *first, const char *key, const char *bytes,
			  size_t len)
{
	int r = put_key(buf, first, key);

	return r < 0 ? r : put_string(buf, "", bytes, len);
}

static int put_names(struct hw_buf *buf, bool *first, uint32_t events)
{
	int r = put_key(buf, first, "events");

	for (unsigned kind = 1; r >= 0 && kind < HW_KIND_END; kind++)
		if (events & UINT32_C(1) << kind) {
			const char *name = hw_kind_name(kind);

			r = put_string(buf, events & ((UINT32_C(1) << kind) - 1) ? "," : "[", name,
				       strlen(name));
		}
	return r < 0 ? r : put(buf, "]");
}

static int put_excludes(struct hw_buf *buf, bool *first, const struct hw_subscribe *s)
{
	int r = put_key(buf, first, "exclude");

	for (uint32_t i = 0; r >= 0 && i < s->exclude_count; i++)
		r = put_string(buf, i ? "," : "[", s->exclude[i], strlen(s->exclude[i]));
	return r < 0 ? r : put(buf, "]");
}

/* Writes {"KEY":"TEXT"}. */
static int put_pair(struct hw_buf *buf, const char *key, const char *text)
{
	size_t start = buf->len;
	bool first = true;
	int r = put(buf, "{");

	if (r >= 0)
		r = put_string_key(buf, &first, key, text, strlen(text));
	if (r >= 0)
		r = put(buf, "}\n");
	return finish(buf, start, r);
}

int hw_json_put_sync(struct hw_buf *buf, const char *text)
{
	return put_pair(buf, "sync", text);
}

int hw_json_put_where(struct hw_buf *buf, const char *path)
{
	struct hw_json_text text;

	hw_json_measure(&text, path, strlen(path));
	return text.valid ? put_pair(buf, "where", path) : -EINVAL;
}

int hw_json_put_subscribe(struct hw_buf *buf, const struct hw_subscribe *s)
{
	size_t start = buf->len;
	bool first = true;
	char epoch[16];
	int r = put(buf, "{\"subscribe\":{");

	if (r >= 0 && s->share)
		r = put_string_key(buf, &first, "share", s->share, strlen(s->share));
	if (r >= 0 && s->resume) {
		write_hex64(epoch, s->epoch);
		r = put_string_key(buf, &first, "epoch", epoch, sizeof(epoch));
		if (r >= 0)
			r = put_key(buf, &first, "after");
		if (r >= 0)
			r = put_u64(buf, s->after);
	}
	if (r >= 0 && s->below)
		r = put_string_key(buf, &first, "below", s->below, s->below_len);
	if (r >= 0 && s->snapshot) {
		r = put_key(buf, &first, "snapshot");
		if (r >= 0)
			r = put(buf, "true");
	}
	if (r >= 0 && s->events)
		r = put_names(buf, &first, s->events);
	if (r >= 0 && s->exclude_count)
		r = put_excludes(buf, &first, s);
	if (r >= 0)
		r = put(buf, "}}\n");
	return finish(buf, start, r);
}
