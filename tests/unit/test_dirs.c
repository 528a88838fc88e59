/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of directories of inotify and fanotify, with keys of one word and of several words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h requires the four headers above. */
#include <cmocka.h>
#include <errno.h>

#include "plugins/common/dirs.h"

#define KEYS 500u
#define WORDS_MAX 4u

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* Three keys each have the same first word if keys have several words. */
static const uint32_t *key_of(uint32_t words, uint32_t number, uint32_t key[WORDS_MAX])
{
	for (uint32_t i = 0; i < words; i++)
		key[i] = words == 1 ? number : i == 0 ? number / 3 : number + i;
	return key;
}

static void check(const struct hw_dirs *dirs, const hw_token *expected, uint32_t number)
{
	uint32_t key[WORDS_MAX];
	const uint32_t *kept;

	assert_int_equal(hw_dirs_token(dirs, key_of(dirs->key_words, number, key)),
			 expected[number]);
	if (expected[number] == HW_NO_DIR)
		return;
	kept = hw_dirs_key(dirs, expected[number]);
	assert_non_null(kept);
	for (uint32_t i = 0; i < dirs->key_words; i++)
		assert_int_equal(kept[i] & INT32_MAX, key[i]);
	assert_int_equal(kept[dirs->key_words - 1] >> 31, expected[number] % 2);
}

static void compare_with_array(uint32_t words)
{
	hw_token expected[KEYS] = { 0 };
	struct hw_dirs dirs = { .key_words = words };
	uint32_t count = 0, flagged = 0;
	uint64_t random = 1, token = 0;

	for (unsigned round = 0; round < 200000; round++) {
		uint32_t number = (uint32_t)next_random(&random) % KEYS, key[WORDS_MAX];

		if (next_random(&random) % 2) {
			int r;

			token++;
			r = hw_dirs_add(&dirs, key_of(words, number, key), token, token % 2);
			assert_int_equal(r, expected[number] ? -EEXIST : 0);
			if (r == 0) {
				expected[number] = token;
				count++;
				flagged += token % 2;
			}
		} else {
			count -= expected[number] != 0;
			flagged -= expected[number] % 2;
			hw_dirs_remove(&dirs, expected[number]);
			expected[number] = HW_NO_DIR;
		}
		assert_int_equal(dirs.count, count);
		assert_int_equal(dirs.flagged, flagged);
		check(&dirs, expected, (uint32_t)next_random(&random) % KEYS);
		assert_null(hw_dirs_key(&dirs, token + 1));
	}
	for (uint32_t i = 0; i < KEYS; i++)
		hw_dirs_remove(&dirs, expected[i]);
	assert_int_equal(dirs.count, 0);
	assert_int_equal(dirs.flagged, 0);
	hw_dirs_finish(&dirs);
}

static void the_table_agrees_with_an_array(void **state)
{
	(void)state;
	for (uint32_t words = 1; words <= WORDS_MAX; words++)
		compare_with_array(words);
}

static void an_empty_table_has_no_directory(void **state)
{
	const uint32_t key = 1, other = 2;
	struct hw_dirs dirs = { .key_words = 1 };

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(hw_dirs_token(&dirs, &key), HW_NO_DIR);
		assert_null(hw_dirs_key(&dirs, 5));
		hw_dirs_remove(&dirs, 5);
		hw_dirs_remove(&dirs, HW_NO_DIR);
		assert_int_equal(hw_dirs_add(&dirs, &key, 5, false), 0);
		assert_int_equal(hw_dirs_token(&dirs, &key), 5);
		assert_int_equal(hw_dirs_token(&dirs, &other), HW_NO_DIR);
		hw_dirs_finish(&dirs);
	}
}

static void a_token_belongs_to_one_directory(void **state)
{
	const uint32_t key = 1, other = 2;
	struct hw_dirs dirs = { .key_words = 1 };

	(void)state;
	assert_int_equal(hw_dirs_add(&dirs, &key, 5, false), 0);
	assert_int_equal(hw_dirs_add(&dirs, &other, 5, false), -EEXIST);
	assert_int_equal(hw_dirs_token(&dirs, &other), HW_NO_DIR);
	assert_int_equal(dirs.count, 1);
	hw_dirs_finish(&dirs);
}

static void the_flag_does_not_belong_to_the_key(void **state)
{
	const uint32_t key = 1, with_flag = 1 | UINT32_C(1) << 31;
	struct hw_dirs dirs = { .key_words = 1 };

	(void)state;
	assert_int_equal(hw_dirs_add(&dirs, &key, 5, true), 0);
	assert_int_equal(hw_dirs_token(&dirs, &key), 5);
	assert_int_equal(hw_dirs_token(&dirs, &with_flag), 5);
	assert_int_equal(hw_dirs_add(&dirs, &with_flag, 6, false), -EEXIST);
	hw_dirs_finish(&dirs);
}

/* A watch descriptor has one word, the fingerprint of a file handle has four. */
static void a_hundred_thousand_directories_take_less_than_32_or_50_bytes_each(void **state)
{
	enum { DIRS = 100000 };

	(void)state;
	for (uint32_t words = 1; words <= 4; words += 3) {
		struct hw_dirs dirs = { .key_words = words };
		uint32_t key[WORDS_MAX] = { 0 };
		uint64_t bytes;

		for (uint32_t i = 1; i <= DIRS; i++) {
			key[0] = i;
			assert_int_equal(hw_dirs_add(&dirs, key, (hw_token)i * 3, false), 0);
		}
		bytes = (uint64_t)dirs.room * (8 + 4 * words) + (uint64_t)dirs.capacity * 8;
		assert_true(bytes <= (words == 1 ? 32 : 50) * (uint64_t)DIRS);
		for (uint32_t i = 1; i <= DIRS; i++)
			assert_int_equal(hw_dirs_key(&dirs, (hw_token)i * 3)[0], i);
		hw_dirs_finish(&dirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_agrees_with_an_array),
		cmocka_unit_test(an_empty_table_has_no_directory),
		cmocka_unit_test(a_token_belongs_to_one_directory),
		cmocka_unit_test(the_flag_does_not_belong_to_the_key),
		cmocka_unit_test(a_hundred_thousand_directories_take_less_than_32_or_50_bytes_each),
	};

	return cmocka_run_group_tests_name("directories of a watcher", tests, NULL, NULL);
}
