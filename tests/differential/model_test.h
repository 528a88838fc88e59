/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TESTS_MODEL_TEST_H
#define HW_TESTS_MODEL_TEST_H

/* Tests of the model: it must refuse streams that contradict themselves. cmocka test functions. */
void model_replays_consistent_streams(void **state);
void model_refuses_contradictions(void **state);
void model_sees_differences(void **state);
void model_sees_what_was_not_told(void **state);
void model_excuses_only_what_is_as_it_was(void **state);

void model_sees_data_that_was_not_told(void **state);

#endif
