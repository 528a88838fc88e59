/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "contend.h"

#include "instance.h"

#include <string.h>
#include <sys/stat.h>

/* The port or path that ends it; NULL: not an address. A port alone, since one address may stand
 * for all of the machine. */
static const char *place_in(const char *value)
{
	const char *colon = strrchr(value, ':');

	return colon ? colon + 1 : strchr(value, '/') ? value : NULL;
}

/* A path may be written in several ways. */
static bool is_same_place(const char *one, const char *other)
{
	struct stat a, b;

	if (strcmp(one, other) == 0)
		return true;
	return strchr(one, '/') && strchr(other, '/') && stat(one, &a) == 0 &&
	       stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool shows_a_place(const struct hw_config_plugin *sink)
{
	for (size_t i = 0; i < sink->count; i++) {
		if (place_in(sink->settings[i].value))
			return true;
	}
	return false;
}

static bool has_place(const struct hw_config_plugin *sink, const char *place)
{
	for (size_t i = 0; i < sink->count; i++) {
		const char *its = place_in(sink->settings[i].value);

		if (its && is_same_place(place, its))
			return true;
	}
	return false;
}

bool hw_sinks_contend(const struct hw_config_plugin *one, const struct hw_config_plugin *other)
{
	if (!shows_a_place(one) || !shows_a_place(other))
		return true;
	for (size_t i = 0; i < one->count; i++) {
		const char *place = place_in(one->settings[i].value);

		if (place && has_place(other, place))
			return true;
	}
	return false;
}
