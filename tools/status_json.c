/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the status as JSON. Keys may be added and are never renamed: hostwatch(1) lists them. */
#include "json_out.h"
#include "status_fetch.h"

#include <string.h>
#include <time.h>

enum field_type { TEXT, NUMBER };

struct field {
	const char *key; /* of the JSON object */
	enum field_type type;
	const char *record_key; /* NULL: equal to key */
};

static const struct field daemon_fields[] = {
	{ "version", TEXT, NULL },
	{ "pid", NUMBER, NULL },
	{ "config", TEXT, NULL },
	{ 0 },
};
static const struct field share_fields[] = {
	{ "name", TEXT, NULL },
	{ "path", TEXT, NULL },
	{ "state", TEXT, NULL },
	{ "watcher", TEXT, "backend" },
	{ "why", TEXT, NULL },
	{ "epoch", TEXT, NULL },
	{ "seq", NUMBER, NULL },
	{ "entries", NUMBER, NULL },
	{ "directories", NUMBER, NULL },
	{ "armed", NUMBER, NULL },
	{ "watches", NUMBER, NULL },
	{ "kernel_events", NUMBER, NULL },
	{ "overflows", NUMBER, NULL },
	{ "rescans", NUMBER, NULL },
	{ "retrying", NUMBER, NULL },
	{ "refusals", NUMBER, NULL },
	{ "silent_since", NUMBER, NULL },
	{ "short_since", NUMBER, NULL },
	{ "tree_bytes", NUMBER, NULL },
	{ "journal_bytes", NUMBER, NULL },
	{ "kept_bytes", NUMBER, NULL },
	{ "kept_at", NUMBER, NULL },
	{ "not_kept", TEXT, NULL },
	{ 0 },
};
static const struct field watcher_fields[] = {
	{ "name", TEXT, NULL },
	{ "plugin", TEXT, NULL },
	{ "directories", NUMBER, NULL },
	{ "watches", NUMBER, NULL },
	{ "kernel_events", NUMBER, NULL },
	{ "overflows", NUMBER, NULL },
	{ 0 },
};
static const struct field sink_fields[] = {
	{ "name", TEXT, NULL },
	{ "plugin", TEXT, NULL },
	{ 0 },
};
static const struct field address_fields[] = {
	{ "option", TEXT, NULL },
	{ "address", TEXT, NULL },
	{ "state", TEXT, NULL },
	{ 0 },
};
static const struct field receiver_fields[] = {
	{ "name", TEXT, NULL },
	{ "share", TEXT, NULL },
	{ "seq", NUMBER, NULL },
	{ "lag", NUMBER, NULL },
	{ "rescans", NUMBER, NULL },
	{ "lost", NUMBER, NULL },
	{ 0 },
};

static void put_fields(struct hw_json_out *out, const struct hw_record *record,
		       const struct field *fields)
{
	for (; fields->key; fields++) {
		const char *key = fields->record_key ? fields->record_key : fields->key;

		if (fields->type == NUMBER)
			hw_json_number(out, fields->key, hw_record_number(record, key));
		else
			hw_json_text(out, fields->key, hw_record_get(record, key));
	}
}

/* Prints the records of this kind that belong to an owner, as an array of objects. */
static void put_list(struct hw_json_out *out, const struct hw_status *status, const char *key,
		     const struct field *fields, const char *const where[3])
{
	hw_json_open(out, key, '[');
	HW_STATUS_EACH (record, status, where[0], where[1], where[2]) {
		hw_json_open(out, NULL, '{');
		put_fields(out, record, fields);
		hw_json_close(out, '}');
	}
	hw_json_close(out, ']');
}

static void put_share(struct hw_json_out *out, const struct hw_status *status,
		      const struct hw_record *share)
{
	const char *const watchers[] = { "watcher", "share", hw_record_get(share, "name") };

	hw_json_open(out, NULL, '{');
	put_fields(out, share, share_fields);
	put_list(out, status, "watchers", watcher_fields, watchers);
	hw_json_close(out, '}');
}

static void put_sink(struct hw_json_out *out, const struct hw_status *status,
		     const struct hw_record *sink)
{
	const char *name = hw_record_get(sink, "name");
	const char *const addresses[] = { "address", "sink", name };
	const char *const receivers[] = { "receiver", "sink", name };

	hw_json_open(out, NULL, '{');
	put_fields(out, sink, sink_fields);
	hw_json_open(out, "shares", '[');
	for (size_t i = 0; i < sink->count; i++) {
		if (strcmp(sink->fields[i].key, "share") == 0)
			hw_json_text(out, NULL, sink->fields[i].value);
	}
	hw_json_close(out, ']');
	put_list(out, status, "addresses", address_fields, addresses);
	put_list(out, status, "receivers", receiver_fields, receivers);
	hw_json_close(out, '}');
}

void hw_status_print_json(const struct hw_status *status, FILE *to)
{
	struct hw_json_out out = HW_JSON_OUT(to);
	const struct hw_record *ok = hw_status_next(status, NULL, "ok", NULL, NULL);
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	hw_json_open(&out, NULL, '{');
	put_fields(&out, ok, daemon_fields);
	hw_json_number(&out, "time", (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec);
	hw_json_open(&out, "shares", '[');
	HW_STATUS_EACH (share, status, "share", NULL, NULL)
		put_share(&out, status, share);
	hw_json_close(&out, ']');
	hw_json_open(&out, "sinks", '[');
	HW_STATUS_EACH (sink, status, "sink", NULL, NULL)
		put_sink(&out, status, sink);
	hw_json_close(&out, ']');
	hw_json_close(&out, '}');
	fputc('\n', to);
}
