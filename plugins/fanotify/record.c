/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/fanotify.h>

#define HANDLE_MAX 128u /* MAX_HANDLE_SZ */

/* struct fanotify_event_info_fid, whose handle may be less aligned than the compiler assumes. */
struct fid_header {
	struct fanotify_event_info_header header;
	uint64_t fsid;
	uint32_t handle_len;
	int32_t handle_type;
} __attribute__((packed));
_Static_assert(sizeof(struct fid_header) == 20, "kernel ABI");

/* `bytes` is one information record that contains a file handle. */
static int parse_fid(const char *bytes, size_t len, struct hw_handle *ret)
{
	struct fid_header fid;

	if (len < sizeof(fid))
		return -EBADMSG;
	memcpy(&fid, bytes, sizeof(fid));
	if (fid.handle_len > HANDLE_MAX || fid.handle_len > len - sizeof(fid))
		return -EBADMSG;
	*ret = (struct hw_handle){
		.fsid = fid.fsid,
		.bytes = bytes + sizeof(fid),
		.len = fid.handle_len,
		.type = fid.handle_type,
	};
	return 0;
}

static int parse_place(const char *bytes, size_t len, struct hw_place *ret)
{
	size_t before;
	int rc = parse_fid(bytes, len, &ret->dir);

	if (rc < 0)
		return rc;
	before = sizeof(struct fid_header) + ret->dir.len;
	ret->name = bytes + before;
	ret->name_len = (uint32_t)strnlen(ret->name, len - before);
	/* The NUL must be present: the kernel counts it in the length. */
	if (!ret->name_len || ret->name_len > NAME_MAX || ret->name_len == len - before)
		return -EBADMSG;
	return 0;
}

static int parse_info(const char *bytes, size_t len, uint8_t type, struct hw_record *ret)
{
	switch (type) {
	case FAN_EVENT_INFO_TYPE_DFID_NAME:
		return parse_place(bytes, len, &ret->at);
	case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
		return parse_place(bytes, len, &ret->from);
	case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
		return parse_place(bytes, len, &ret->to);
	case FAN_EVENT_INFO_TYPE_DFID:
		ret->at.name = ".";
		ret->at.name_len = 1;
		return parse_fid(bytes, len, &ret->at.dir);
	case FAN_EVENT_INFO_TYPE_FID:
		return parse_fid(bytes, len, &ret->object);
	default:
		return 0;
	}
}

static void clear_place(struct hw_place *place)
{
	place->dir.bytes = NULL;
	place->name = NULL;
	place->name_len = 0;
}

/* An initializer would also clear what is only read if `bytes` is not NULL. */
static void begin_record(struct hw_record *record, const struct fanotify_event_metadata *event)
{
	record->mask = event->mask;
	record->pid = event->pid;
	record->len = event->event_len;
	clear_place(&record->at);
	clear_place(&record->from);
	clear_place(&record->to);
	record->object.bytes = NULL;
}

int hw_record_parse(const char *bytes, size_t len, struct hw_record *ret)
{
	struct fanotify_event_metadata event;
	struct fanotify_event_info_header info;
	size_t done;
	int rc;

	if (len < sizeof(event))
		return -EBADMSG;
	memcpy(&event, bytes, sizeof(event));
	if (event.vers != FANOTIFY_METADATA_VERSION || event.metadata_len < sizeof(event) ||
	    event.event_len < event.metadata_len || event.event_len > len)
		return -EBADMSG;
	begin_record(ret, &event);
	for (done = event.metadata_len; done < event.event_len; done += info.len) {
		if (event.event_len - done < sizeof(info))
			return -EBADMSG;
		memcpy(&info, bytes + done, sizeof(info));
		if (info.len < sizeof(info) || info.len > event.event_len - done)
			return -EBADMSG;
		rc = parse_info(bytes + done, info.len, info.info_type, ret);
		if (rc < 0)
			return rc;
	}
	return 0;
}
