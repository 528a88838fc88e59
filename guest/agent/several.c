/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several mounts on one channel: each event is passed to the injector of every mount. A mount that
 * is gone, or not there yet, does not stop the others. It needs no event of that time: the kernel
 * has nothing of it in its caches, and no program watches it. */
#include "inject.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 2000u

struct part {
	const struct hw_mount *mount; /* borrowed */
	struct hw_inject *inject; /* owned; NULL while the mount is not there */
	uint64_t retry_ms; /* when to look for the mount again */
	char said[HW_INJECT_WHY_MAX]; /* the reason that was logged last */
};

struct several {
	struct hw_inject base;
	size_t count;
	struct part parts[];
};

static struct several *several_of(struct hw_inject *inject)
{
	return (struct several *)inject;
}

static void say(struct part *part, const char *why)
{
	if (strcmp(part->said, why) == 0)
		return;
	(void)snprintf(part->said, sizeof(part->said), "%s", why);
	hw_warning("[mount %s] %s", part->mount->name, why);
}

static int open_part(struct part *part, char why[HW_INJECT_WHY_MAX])
{
	int r = hw_inject_ops_of(part->mount->inject)->open(part->mount, &part->inject, why);

	if (r < 0)
		part->inject = NULL;
	else
		part->said[0] = '\0';
	return r;
}

static void close_part(struct part *part)
{
	if (part->inject)
		part->inject->ops->close(part->inject);
	part->inject = NULL;
	part->retry_ms = 0;
}

static void lose_part(struct part *part)
{
	close_part(part);
	say(part, "the mount was unmounted; waiting for it");
}

static bool is_empty(const struct several *several)
{
	for (size_t i = 0; i < several->count; i++)
		if (several->parts[i].inject)
			return false;
	return true;
}

/* Handles the result of a part. Returns what ends the connection. */
static int take_result(struct several *several, struct part *part, int r)
{
	if (r != -ENODEV)
		return r;
	lose_part(part);
	return is_empty(several) ? -ENODEV : 0;
}

static int several_event(struct hw_inject *inject, const struct hw_told *told)
{
	struct several *several = several_of(inject);
	int r = 0;

	for (size_t i = 0; i < several->count && r == 0; i++) {
		struct part *part = &several->parts[i];

		if (part->inject)
			r = take_result(several, part,
					part->inject->ops->event(part->inject, told));
	}
	return r;
}

static int several_flush(struct hw_inject *inject)
{
	struct several *several = several_of(inject);
	int r = 0;

	for (size_t i = 0; i < several->count && r == 0; i++) {
		struct part *part = &several->parts[i];

		if (part->inject && part->inject->ops->flush)
			r = take_result(several, part, part->inject->ops->flush(part->inject));
	}
	return r;
}

static void several_hello(struct hw_inject *inject, const struct hw_frame_hello *hello,
			  const char *share)
{
	struct several *several = several_of(inject);

	for (size_t i = 0; i < several->count; i++) {
		struct part *part = &several->parts[i];

		if (part->inject && part->inject->ops->hello)
			part->inject->ops->hello(part->inject, hello, share);
	}
}

static void find_mount(struct part *part, uint64_t now_ms)
{
	char why[HW_INJECT_WHY_MAX] = "";

	if (now_ms < part->retry_ms)
		return;
	part->retry_ms = now_ms + RETRY_MS;
	if (open_part(part, why) < 0)
		say(part, why);
	else
		hw_info("[mount %s] the mount is there", part->mount->name);
}

static int several_work(struct hw_inject *inject, bool live, uint64_t now_ms, uint64_t *ret_due_ms)
{
	struct several *several = several_of(inject);
	uint64_t due_ms = UINT64_MAX;
	int r = 0;

	for (size_t i = 0; i < several->count && r == 0; i++) {
		struct part *part = &several->parts[i];
		uint64_t part_ms = UINT64_MAX;

		if (!part->inject)
			find_mount(part, now_ms);
		if (part->inject && part->inject->ops->work)
			r = take_result(several, part,
					part->inject->ops->work(part->inject, live, now_ms,
								&part_ms));
		if (!part->inject)
			part_ms = part->retry_ms;
		due_ms = part_ms < due_ms ? part_ms : due_ms;
	}
	*ret_due_ms = due_ms;
	return r;
}

static bool several_is_busy(struct hw_inject *inject)
{
	struct several *several = several_of(inject);

	for (size_t i = 0; i < several->count; i++) {
		struct part *part = &several->parts[i];

		if (part->inject && part->inject->ops->is_busy &&
		    part->inject->ops->is_busy(part->inject))
			return true;
	}
	return false;
}

static void several_describe(struct hw_inject *inject, char *buf, size_t size)
{
	struct several *several = several_of(inject);
	size_t at = 0;

	for (size_t i = 0; i < several->count; i++) {
		const struct part *part = &several->parts[i];
		char text[HW_INJECT_WHY_MAX] = "";
		int n;

		if (!part->inject)
			(void)snprintf(text, sizeof(text), "waiting for the mount");
		else if (part->inject->ops->describe)
			part->inject->ops->describe(part->inject, text, sizeof(text));
		n = snprintf(buf + at, size - at, "%s%s%s%s", i ? "; " : "", part->mount->name,
			     *text ? ": " : "", text);
		if (n < 0 || (size_t)n >= size - at)
			return; /* truncation is acceptable */
		at += (size_t)n;
	}
}

static bool several_is_there(struct hw_inject *inject)
{
	struct several *several = several_of(inject);

	for (size_t i = 0; i < several->count; i++) {
		struct part *part = &several->parts[i];

		if (!part->inject)
			part->retry_ms = 0;
		else if (part->inject->ops->is_there && !part->inject->ops->is_there(part->inject))
			lose_part(part);
	}
	return !is_empty(several);
}

static void several_close(struct hw_inject *inject)
{
	struct several *several = several_of(inject);

	for (size_t i = 0; i < several->count; i++)
		close_part(&several->parts[i]);
	free(several);
}

static const struct hw_inject_ops several_ops = {
	.event = several_event,
	.flush = several_flush,
	.hello = several_hello,
	.work = several_work,
	.is_busy = several_is_busy,
	.describe = several_describe,
	.is_there = several_is_there,
	.close = several_close,
};

static int open_parts(struct several *several, char why[HW_INJECT_WHY_MAX])
{
	char text[HW_INJECT_WHY_MAX] = "";

	for (size_t i = 0; i < several->count; i++) {
		int r = open_part(&several->parts[i], text);

		if (r < 0 && *why == '\0')
			(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", text);
		if (r < 0 && r != -EAGAIN) {
			(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", text);
			return r;
		}
	}
	return is_empty(several) ? -EAGAIN : 0;
}

int hw_inject_open(const struct hw_mount *mount, struct hw_inject **ret,
		   char why[HW_INJECT_WHY_MAX])
{
	const struct hw_mount *each;
	struct several *several;
	size_t count = 0;
	int r;

	if (!mount->next)
		return hw_inject_ops_of(mount->inject)->open(mount, ret, why);
	for (each = mount; each; each = each->next)
		count++;
	several = calloc(1, sizeof(*several) + count * sizeof(several->parts[0]));
	if (!several) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	several->base.ops = &several_ops;
	for (each = mount; each; each = each->next)
		several->parts[several->count++].mount = each;
	r = open_parts(several, why);
	if (r < 0) {
		several_close(&several->base);
		return r;
	}
	*ret = &several->base;
	return 0;
}
