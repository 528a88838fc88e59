/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status_fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t hw_record_number(const struct hw_record *record, const char *key)
{
	return strtoull(hw_record_get(record, key), NULL, 10);
}

/* One block contains the fields and all strings; kind is the first string. */
static int copy_record(const struct hw_record *from, struct hw_record *ret)
{
	size_t fields = from->count * sizeof(*from->fields);
	size_t bytes = fields + strlen(from->kind) + 1;
	char *block, *at;

	for (size_t i = 0; i < from->count; i++)
		bytes += strlen(from->fields[i].key) + strlen(from->fields[i].value) + 2;
	block = malloc(bytes);
	if (!block)
		return -ENOMEM;
	*ret = (struct hw_record){ .fields = (struct hw_field *)(void *)block,
				   .count = from->count };
	at = block + fields;
	ret->kind = at;
	at = stpcpy(at, from->kind) + 1;
	for (size_t i = 0; i < from->count; i++) {
		ret->fields[i].key = at;
		at = stpcpy(at, from->fields[i].key) + 1;
		ret->fields[i].value = at;
		at = stpcpy(at, from->fields[i].value) + 1;
	}
	return 0;
}

static void keep_record(void *arg, const struct hw_record *record)
{
	struct hw_status *status = arg;
	struct hw_record *records;

	records = reallocarray(status->records, status->count + 1, sizeof(*records));
	if (records)
		status->records = records;
	if (!records || copy_record(record, &records[status->count]) < 0)
		status->failed = true;
	else
		status->count++;
}

void hw_status_free(struct hw_status *status)
{
	for (size_t i = 0; i < status->count; i++)
		free(status->records[i].fields);
	free(status->records);
	*status = (struct hw_status){ 0 };
}

int hw_status_fetch(const struct hw_command_line *line, const struct hw_client_options *options,
		    struct hw_status *ret)
{
	struct hw_status status = { 0 };
	const struct hw_request request = {
		.words = { "status" }, .fn = keep_record, .arg = &status, .is_quick = true
	};
	int r = hw_client_ask(line, options, &request);

	if (r == EXIT_SUCCESS && status.failed)
		r = hw_args_failure(line, "out of memory");
	if (r != EXIT_SUCCESS) {
		hw_status_free(&status);
		return r;
	}
	*ret = status;
	return -1;
}

const struct hw_record *hw_status_next(const struct hw_status *status,
				       const struct hw_record *record, const char *kind,
				       const char *key, const char *value)
{
	record = record ? record + 1 : status->records;
	for (; record < status->records + status->count; record++) {
		if (strcmp(record->kind, kind) == 0 &&
		    (!key || strcmp(hw_record_get(record, key), value) == 0))
			return record;
	}
	return NULL;
}
