/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A burst as text, and as a trace. */
#include "burst.h"

#include "tests/common/scratch.h"
#include "tests/conformance/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void hw_burst_release(struct hw_burst *burst)
{
	for (unsigned i = 0; i < burst->setup_count; i++)
		free(burst->setup[i]);
	for (unsigned i = 0; i < burst->op_count; i++)
		free(burst->ops[i]);
	*burst = (struct hw_burst){ 0 };
}

unsigned hw_burst_lines(const struct hw_burst *burst)
{
	return burst->op_count + burst->setup_count;
}

void hw_burst_print(const struct hw_burst *burst, const bool *skip, FILE *out)
{
	fprintf(out, "proves rule 1\n\nsetup:\n");
	for (unsigned i = 0; i < burst->setup_count; i++)
		if (!skip || !skip[burst->op_count + i])
			fprintf(out, "%s\n", burst->setup[i]);
	fputc('\n', out);
	for (unsigned i = 0; i < burst->op_count; i++)
		if (!skip || !skip[i])
			fprintf(out, "> %s\n", burst->ops[i]);
}

int hw_burst_trace(const struct hw_burst *burst, const bool *skip, struct hw_trace **ret)
{
	char *text = NULL;
	size_t size;
	FILE *out, *in;
	int r = -ENOMEM;
	unsigned left = 0;

	for (unsigned i = 0; i < burst->op_count; i++)
		left += !skip || !skip[i];
	if (!left)
		return -ENODATA;
	out = open_memstream(&text, &size);
	if (!out)
		return r;
	hw_burst_print(burst, skip, out);
	if (!fclose(out) && (in = fmemopen(text, size, "r"))) {
		r = hw_trace_read(in, "burst", ret);
		(void)fclose(in); /* memory */
	}
	free(text);
	return r;
}

bool hw_burst_is_possible(const struct hw_trace *trace, const struct hw_place *place)
{
	struct hw_world world;
	int r = hw_world_create(&world, place);

	for (size_t i = 0; !r && i < trace->setup.count; i++)
		r = hw_op_run(&world, &trace->setup.items[i]);
	for (size_t i = 0; !r && i < trace->step_count; i++)
		for (size_t k = 0; !r && k < trace->steps[i].ops.count; k++)
			r = hw_op_run(&world, &trace->steps[i].ops.items[k]);
	hw_world_remove(&world);
	return !r;
}
