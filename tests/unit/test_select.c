/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of events that come from elsewhere: how moves from and to excluded names are reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/select.h"

#include <stdio.h>
#include <string.h>

static const struct hw_command_line line = { .program = "test" };

/* Returns "KIND FROM -> PATH FLAGS" for each event; "-" stands for an absent path. */
static const char *apply(const struct hw_select *select, const struct hw_event *event)
{
	static char text[256];
	struct hw_event shown[HW_EXCLUDE_MAX];
	int count = hw_event_exclude(event, &select->filter, shown), used = 0;

	text[0] = '\0';
	for (int i = 0; i < count; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%u %.*s -> %.*s %u",
				 i ? ", " : "", shown[i].kind,
				 shown[i].from ? (int)shown[i].from_len : 1,
				 shown[i].from ? shown[i].from : "-",
				 shown[i].path ? (int)shown[i].path_len : 1,
				 shown[i].path ? shown[i].path : "-", shown[i].flags);
	return text;
}

static const char *move(const struct hw_select *select, const char *from, const char *path,
			uint8_t type, uint16_t flags)
{
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_MOVE,
		.type = type,
		.flags = flags,
		.from = from,
		.from_len = from ? (uint32_t)strlen(from) : 0,
		.path = path,
		.path_len = path ? (uint32_t)strlen(path) : 0,
	};

	return apply(select, &event);
}

static const char *change(const struct hw_select *select, uint8_t kind, const char *path)
{
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = kind,
		.type = HW_TYPE_FILE,
		.path = path,
		.path_len = (uint32_t)strlen(path),
	};

	return apply(select, &event);
}

static void excluded_names_do_not_exist(void **state)
{
	const char *patterns[] = { "gen/", "*.o", "!kept.o" };
	struct hw_select select = { .excludes = { patterns, 3 } };

	(void)state;
	assert_int_equal(hw_select_prepare(&select, &line), -1);
	select.excludes = (struct hw_words){ 0 }; /* not owned */
	assert_string_equal(change(&select, HW_CREATE, "a.c"), "1 - -> a.c 0");
	assert_string_equal(change(&select, HW_CREATE, "d/a.o"), "");
	assert_string_equal(change(&select, HW_CREATE, "d/kept.o"), "1 - -> d/kept.o 0");
	assert_string_equal(change(&select, HW_CREATE, "gen"), "1 - -> gen 0");
	assert_string_equal(change(&select, HW_CREATE, "d/gen/kept.o"), "");
	assert_string_equal(change(&select, HW_RESCAN, ""), "7 - ->  0");
	assert_string_equal(change(&select, HW_RESCAN, "gen"), "");

	assert_string_equal(move(&select, "a", "b", HW_TYPE_FILE, 0), "3 a -> b 0");
	assert_string_equal(move(&select, "a.o", "b.o", HW_TYPE_FILE, 0), "");
	assert_string_equal(move(&select, "a", "a.o", HW_TYPE_FILE, HW_FLAG_REPLACED),
			    "3 a -> - 0");
	assert_string_equal(move(&select, "a.o", "a", HW_TYPE_FILE, HW_FLAG_REPLACED),
			    "3 - -> a 1");
	assert_string_equal(move(&select, NULL, "a.o", HW_TYPE_FILE, 0), "");
	assert_string_equal(move(&select, NULL, "a", HW_TYPE_FILE, 0), "3 - -> a 0");
	/* The entries of the directory have not been reported before. */
	assert_string_equal(move(&select, "gen", "d", HW_TYPE_DIR, 0), "3 - -> d 0, 7 - -> d 0");
	assert_string_equal(move(&select, "d", "gen", HW_TYPE_DIR, 0), "3 d -> - 0");
	/* The type of the entry that is now at "a" is unknown. */
	assert_string_equal(move(&select, "a", "b.o", HW_TYPE_FILE, HW_FLAG_EXCHANGE),
			    "7 - -> a 0");
	assert_string_equal(move(&select, "a.o", "b", HW_TYPE_FILE, HW_FLAG_EXCHANGE),
			    "3 - -> b 1");
	hw_select_free(&select);
}

static void kinds_are_chosen_but_for_rescan(void **state)
{
	const struct hw_select all = { 0 }, some = { .kinds = 1u << (HW_DELETE - 1) };

	(void)state;
	for (unsigned kind = 1; kind < HW_KIND_END; kind++) {
		assert_true(hw_select_wants(&all, kind));
		assert_int_equal(hw_select_wants(&some, kind),
				 kind == HW_DELETE || kind == HW_RESCAN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(excluded_names_do_not_exist),
		cmocka_unit_test(kinds_are_chosen_but_for_rescan),
	};

	return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
