/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/rig.h"

void hw_stream_check(struct hw_rig *rig, struct hw_model *model, const char *root)
{
	struct hw_model *truth;
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(rig, &event)) > 0)
		if (hw_model_apply(model, &event, why, sizeof(why)))
			fail_msg("%s", why);
	assert_int_equal(r, 0);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	assert_int_equal(hw_model_compare(model, truth, stdout), 0);
	hw_model_destroy(truth);
}
