/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bursts in one settle window: every watcher must report the same events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bursts/stream.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/conformance/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct burst {
	const char *setup; /* lines of a trace */
	const char *ops;
	const char *events;
	const char *polling; /* events of polling; NULL: the same */
	bool kernel_only; /* not run under polling, which would need file handles */
};

static struct hw_trace *make_trace(const struct burst *burst)
{
	struct hw_trace *trace;
	char *text;

	if (asprintf(&text, "proves rule 1\n\nsetup:\n%s\n%s", burst->setup, burst->ops) < 0)
		abort();
	FILE *in = fmemopen(text, strlen(text), "r");

	assert_non_null(in);
	assert_int_equal(hw_trace_read(in, "burst", &trace), 0);
	(void)fclose(in); /* memory */
	free(text);
	return trace;
}

static char *text_of(const struct hw_stream *stream)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < stream->count; i++)
		fprintf(out, "%s\n", stream->events[i].text);
	if (stream->broken)
		fprintf(out, "%s\n", stream->broken);
	(void)fclose(out); /* memory */
	return text;
}

static void run_one(const struct burst *burst, const struct hw_trace *trace,
		    const struct hw_stream_config *config)
{
	bool polling = !strcmp(config->backend, "polling");
	const char *events = polling && burst->polling ? burst->polling : burst->events;
	struct hw_stream stream;
	int r = hw_stream_run(trace, config, &stream);

	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		char *text = text_of(&stream);

		if (strcmp(text, events))
			print_error("%s, %s%s, of\n%s", config->backend, config->place->name,
				    config->turning ? ", turning" : "", burst->ops);
		assert_string_equal(text, events);
		free(text);
	}
	hw_stream_release(&stream);
}

static void run(const struct burst *burst)
{
	struct hw_trace *trace = make_trace(burst);
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);

	for (unsigned i = 0; i < HW_RIG_BACKENDS * places * 2; i++) {
		const struct hw_stream_config config = {
			.backend = hw_rig_backends[i % HW_RIG_BACKENDS],
			.place = &place[i / HW_RIG_BACKENDS % places],
			.turning = i / HW_RIG_BACKENDS / places,
		};

		if (!burst->kernel_only || strcmp(config.backend, "polling") != 0)
			run_one(burst, trace, &config);
	}
	hw_trace_destroy(trace);
}

#define RUN_ALL(bursts)                                                                            \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(bursts) / sizeof(*(bursts)); i_++)                 \
			run(&(bursts)[i_]);                                                        \
	} while (0)

/* A directory of the share is moved into a directory that was made in the window. */
static const struct burst directories_that_were_moved_into_new_ones_cases[] = {
	{
		.setup = "mkdir e\n",
		.ops = "> mkdir m\n"
		       "> rename e m/m\n"
		       "> tmpfile m/m/m \"1\"\n",
		.events = "create dir m\n"
			  "move dir e -> m/m\n"
			  "create file m/m/m\n"
			  "modify m/m/m\n"
			  "close_write m/m/m\n",
	},
	{
		.setup = "mkdir e\n",
		.ops = "> mkdir e/a\n"
		       "> mkdir x\n"
		       "> mkdir x/y\n"
		       "> rename e x/y/c\n",
		.events = "create dir x\n"
			  "create dir x/y\n"
			  "move dir e -> x/y/c\n"
			  "create dir x/y/c/a\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> write .t \"2\"\n"
		       "> unlink d/f\n"
		       "> link .t d/f\n"
		       "> unlink .t\n"
		       "> mkdir n\n"
		       "> rename d n/m\n",
		.events = "create dir n\n"
			  "move dir d -> n/m\n"
			  "move file -> n/m/f (replaced)\n"
			  "modify n/m/f\n"
			  "close_write n/m/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> append d/f \"2\"\n"
		       "> mkdir n\n"
		       "> rename d n/m\n",
		.events = "create dir n\n"
			  "move dir d -> n/m\n"
			  "modify n/m/f\n"
			  "close_write n/m/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/a \"1\"\n",
		.ops = "> mkdir n\n"
		       "> rename d/a n/m\n"
		       "> write n/m \"22\"\n",
		.events = "create dir n\n"
			  "move file d/a -> n/m\n"
			  "modify n/m\n"
			  "close_write n/m\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n"
			 "mkdir e\n",
		.ops = "> mkdir e/a\n"
		       "> rename d e/a/m\n"
		       "> rename e/a/m/f e/f\n",
		.events = "move file d/f -> e/f\n"
			  "create dir e/a\n"
			  "move dir d -> e/a/m\n",
	},
	/* its former parent is moved into it */
	{
		.setup = "mkdir d\n"
			 "mkdir d/d\n"
			 "mkdir e\n",
		.ops = "> mkdir e/a\n"
		       "> rename d/d e/a/m\n"
		       "> mkdir e/a/m/c\n"
		       "> rename d e/a/m/c/m\n",
		.events = "create dir e/a\n"
			  "move dir d/d -> e/a/m\n"
			  "create dir e/a/m/c\n"
			  "move dir d -> e/a/m/c/m\n",
	},
	/* something else takes its name, and it is in a directory that is moved on */
	{
		.setup = "write b \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n",
		.ops = "> rename d e/f\n"
		       "> rename b d\n"
		       "> mkdir n\n"
		       "> rename e n/m\n",
		.events = "move dir d -> e/f\n"
			  "move file b -> d\n"
			  "create dir n\n"
			  "move dir e -> n/m\n",
	},
};

/* The same, and something changes in the directory that was moved. */
static const struct burst changes_in_directories_that_were_moved_into_new_ones_cases[] = {
	{
		/* nothing shows the write: hostwatch-events(7), LIMITS */
		.setup = "write b \"1\"\n"
			 "touch b 1000000000\n",
		.ops = "> mkdir a\n"
		       "> rename b a/m\n"
		       "> mkdir n\n"
		       "> rename a n/m\n"
		       "> write n/m/m \"2\"\n"
		       "> touch n/m/m 1000000000\n",
		.events = "create dir n\n"
			  "create dir n/m\n"
			  "move file b -> n/m/m\n",
	},
	{
		.setup = "write a \"1000\"\n"
			 "mkdir d\n",
		.ops = "> link a d/n\n"
		       "> write a \"1001\"\n"
		       "> mkdir b\n"
		       "> rename d b/m\n",
		.events = "create dir b\n"
			  "move dir d -> b/m\n"
			  "create file b/m/n\n"
			  "modify a\n"
			  "modify b/m/n\n"
			  "close_write a\n"
			  "close_write b/m/n\n",
	},
	{
		.setup = "write b \"1001\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "mkdir d/d\n"
			 "write d/d/a \"1003\"\n",
		.ops = "> mkdir e/f\n"
		       "> rename d/d e/f/m\n"
		       "> exchange b e/f/m/a\n",
		.events = "create dir e/f\n"
			  "move dir d/d -> e/f/m\n"
			  "move file b <-> e/f/m/a (exchange)\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/a \"1\"\n",
		.ops = "> mkdir m\n"
		       "> mkdir m/n\n"
		       "> rename d m/n/d\n"
		       "> unlink m/n/d/a\n"
		       "> write m/n/d/b \"2\"\n",
		.events = "create dir m\n"
			  "create dir m/n\n"
			  "move dir d -> m/n/d\n"
			  "delete file m/n/d/a\n"
			  "create file m/n/d/b\n"
			  "modify m/n/d/b\n"
			  "close_write m/n/d/b\n",
	},
};

static void changes_in_directories_that_were_moved_into_new_ones(void **state)
{
	(void)state;
	RUN_ALL(changes_in_directories_that_were_moved_into_new_ones_cases);
}

static void directories_that_were_moved_into_new_ones(void **state)
{
	(void)state;
	RUN_ALL(directories_that_were_moved_into_new_ones_cases);
}

/* The data that an entry had before its arrival is unknown, but the time of its last write is
 * known. */
static const struct burst what_arrives_and_is_changed_cases[] = {
	{
		.setup = "mkdir e\n"
			 "outside write o \"1\"\n",
		.ops = "> movein o e/b\n"
		       "> write e/b \"2\"\n",
		.events = "move file -> e/b\n"
			  "modify e/b\n"
			  "close_write e/b\n",
	},
	{
		.setup = "mkdir d\n"
			 "outside write o \"1\"\n",
		.ops = "> movein o d/f\n"
		       "> touch d/f 1000000000\n",
		.events = "move file -> d/f\n"
			  "attrib file d/f\n",
		.polling = "move file -> d/f\n",
	},
	{
		.setup = "outside mkdir p\n"
			 "outside write p/f \"1\"\n",
		.ops = "> movein p d\n"
		       "> append d/f \"2\"\n",
		.events = "move dir -> d\n"
			  "create file d/f\n"
			  "modify d/f\n"
			  "close_write d/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "outside mkdir p\n"
			 "outside write p/f \"1\"\n",
		.ops = "> movein p d/c\n"
		       "> write m \"2\"\n"
		       "> exchange d/c/f m\n",
		.events = "move dir -> d/c\n"
			  "move file -> m\n"
			  "create file d/c/f\n"
			  "modify d/c/f\n"
			  "close_write d/c/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "mkdir d/d\n"
			 "write d/d/a \"1\"\n"
			 "outside mkdir p\n"
			 "outside write p/f \"2\"\n",
		.ops = "> movein p d/m\n"
		       "> exchange d/m/f d/d/a\n",
		.events = "move dir -> d/m\n"
			  "move file d/d/a -> d/m/f\n"
			  "move file -> d/d/a\n",
	},
	{
		.setup = "outside mkdir p\n",
		.ops = "> movein p c\n"
		       "> chmod 700 c\n"
		       "> rename c m\n",
		.events = "move dir -> m\n",
	},
};

static void what_arrives_and_is_changed(void **state)
{
	(void)state;
	RUN_ALL(what_arrives_and_is_changed_cases);
}

/* The inode left the share, not the name: the inode had another name before the window. */
static const struct burst what_left_under_another_name_cases[] = {
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> rename d/f b\n"
		       "> moveout b x\n",
		.events = "move file d/f ->\n"
			  "delete file b\n",
		.kernel_only = true,
	},
	{
		.setup = "symlink t l\n"
			 "mkdir d\n",
		.ops = "> exchange l d\n"
		       "> moveout l x\n"
		       "> unlink d\n",
		.events = "move dir d ->\n"
			  "delete symlink l\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n"
			 "link a c\n",
		.ops = "> moveout a x\n"
		       "> unlink c\n",
		.events = "move file a ->\n"
			  "delete file c\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n"
			 "link a c\n"
			 "mkdir d\n",
		.ops = "> link c d/a\n"
		       "> unlink a\n"
		       "> moveout d/a x\n"
		       "> write .t \"2\"\n"
		       "> rename .t a\n",
		.events = "move file a ->\n"
			  "create file a\n"
			  "modify a\n"
			  "close_write a\n",
	},
	/* it had two names, and comes back by the other one */
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n"
			 "mkdir d\n"
			 "link a d/c\n",
		.ops = "> rename d/c d/f\n"
		       "> rename b a\n"
		       "> moveout d/f x\n"
		       "> movein x a\n",
		.events = "delete file b\n"
			  "delete file d/c\n",
	},
	/* it is one of two names that are gone */
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "link a d/c\n",
		.ops = "> rename a e/f\n"
		       "> moveout e/f x\n"
		       "> rename d/c d/f\n"
		       "> unlink d/f\n",
		.events = "delete file a\n"
			  "delete file d/c\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "link a d/c\n",
		.ops = "> rename a e/f\n"
		       "> moveout e/f x\n"
		       "> rename d/c d/f\n",
		.events = "move file a -> d/f\n"
			  "move file d/c ->\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "link a d/c\n",
		.ops = "> rename a e/f\n"
		       "> moveout e/f x\n",
		.events = "move file a ->\n",
	},
};

static void what_left_under_another_name(void **state)
{
	(void)state;
	RUN_ALL(what_left_under_another_name_cases);
}

/* Of an inode that came into the share, a record does not say whether it is one that left it. */
static const struct burst what_came_back_and_was_removed_cases[] = {
	{
		.setup = "write b \"1\"\n"
			 "outside write o \"2\"\n",
		.ops = "> movein o b\n"
		       "> moveout b x\n",
		.events = "delete file b\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> moveout d/f x\n"
		       "> movein x d/f\n"
		       "> unlink d/f\n",
		.events = "delete file d/f\n",
	},
	{
		.setup = "mkdir e\n",
		.ops = "> moveout e x\n"
		       "> movein x e\n"
		       "> rmdir e\n",
		.events = "delete dir e\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> moveout a x\n"
		       "> movein x m\n"
		       "> moveout b y\n"
		       "> rename m n\n"
		       "> unlink n\n",
		.events = "move file b ->\n"
			  "delete file a\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n",
		.ops = "> moveout a x\n"
		       "> movein x m\n"
		       "> moveout m y\n",
		.events = "move file a ->\n",
		.kernel_only = true,
	},
	/* one of its other names is still there */
	{
		.setup = "write a \"1000\"\n"
			 "mkdir d\n"
			 "link a d/c\n",
		.ops = "> moveout a x\n"
		       "> movein x d/f\n"
		       "> write t \"1\"\n"
		       "> rename t d/f\n",
		.events = "delete file a\n"
			  "create file d/f\n"
			  "modify d/f\n"
			  "close_write d/f\n",
	},
	/* its number may be that of the next new inode */
	{
		.setup = "symlink t l\n"
			 "mkdir d\n",
		.ops = "> moveout l x\n"
		       "> movein x l\n"
		       "> symlink t1 m\n"
		       "> rename m l\n"
		       "> symlink t2 n\n",
		.events = "move symlink -> l (replaced)\n"
			  "create symlink n\n",
	},
	/* the number of what left may be that of the inode that the share had */
	{
		.setup = "symlink t l\n",
		.ops = "> symlink t1 m\n"
		       "> rename m l\n"
		       "> symlink t2 n\n"
		       "> rename n l\n"
		       "> moveout l x\n",
		.events = "delete symlink l\n",
	},
	{
		.setup = "write a \"1000\"\n"
			 "write b \"1001\"\n",
		.ops = "> write t \"2\"\n"
		       "> rename t b\n"
		       "> write t \"3\"\n"
		       "> rename t a\n"
		       "> moveout a x\n"
		       "> write t \"4\"\n"
		       "> rename t b\n",
		.events = "move file -> b (replaced)\n"
			  "delete file a\n"
			  "modify b\n"
			  "close_write b\n",
	},
	{
		.setup = "write b \"1001\"\n"
			 "write f \"1002\"\n",
		.ops = "> rename f b\n"
		       "> write t \"1\"\n"
		       "> link t n\n"
		       "> moveout n x\n",
		.events = "move file f -> b (replaced)\n"
			  "create file t\n"
			  "modify t\n"
			  "close_write t\n",
	},
	/* so may be the number of what left and came back */
	{
		.setup = "write a \"1\"\n"
			 "write f \"2\"\n"
			 "mkdir d\n"
			 "mkdir e\n",
		.ops = "> rename f a\n"
		       "> write t \"3\"\n"
		       "> rename t a\n"
		       "> rename d e/n\n"
		       "> moveout a x\n"
		       "> movein x c\n",
		.events = "move dir d -> e/n\n"
			  "delete file a\n"
			  "delete file f\n"
			  "create file c\n"
			  "modify c\n"
			  "close_write c\n",
	},
	{
		.setup = "mkdir d\n",
		.ops = "> write d/b \"1\"\n"
		       "> moveout d/b x\n"
		       "> movein x c\n",
		.events = "create file c\n"
			  "modify c\n"
			  "close_write c\n",
	},
};

static void what_came_back_and_was_removed(void **state)
{
	(void)state;
	RUN_ALL(what_came_back_and_was_removed_cases);
}

/* link(2) and unlink(2) change the ctime of an inode, too. */
static const struct burst names_that_were_linked_cases[] = {
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "link a d/c\n",
		.ops = "> write .t \"2\"\n"
		       "> rename .t d/c\n"
		       "> link a m\n"
		       "> write d/c \"3\"\n",
		.events = "move file d/c -> m\n"
			  "create file d/c\n"
			  "modify d/c\n"
			  "close_write d/c\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> link b c\n"
		       "> rename a c\n"
		       "> write c \"3\"\n",
		.events = "move file a -> c\n"
			  "modify c\n"
			  "close_write c\n",
		.polling = "move file a -> c\n"
			   "modify c\n"
			   "attrib file b\n"
			   "close_write c\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> link b f\n"
		       "> touch f 1000000000\n"
		       "> write a \"3\"\n",
		.events = "create file f\n"
			  "modify a\n"
			  "modify b\n"
			  "modify f\n"
			  "close_write a\n"
			  "close_write b\n"
			  "close_write f\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "link a d/c\n",
		.ops = "> write b \"2\"\n"
		       "> mkdir n\n"
		       "> rename a n/m\n"
		       "> chmod 700 n/m\n"
		       "> unlink n/m\n",
		.events = "delete file a\n"
			  "create file b\n"
			  "create dir n\n"
			  "modify b\n"
			  "attrib file d/c\n"
			  "close_write b\n",
	},
	{
		.setup = "write b \"2\"\n",
		.ops = "> link b f\n"
		       "> chmod 700 f\n",
		.events = "create file f\n"
			  "attrib file b\n"
			  "attrib file f\n",
	},
};

static void names_that_were_linked(void **state)
{
	(void)state;
	RUN_ALL(names_that_were_linked_cases);
}

/* Names moved to other inodes before something was changed under them. */
static const struct burst which_inode_was_changed_cases[] = {
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n"
			 "touch a 1000000000\n",
		.ops = "> exchange a b\n"
		       "> touch b 1000000000\n",
		.events = "move file a <-> b (exchange)\n"
			  "attrib file b\n",
		.polling = "move file a <-> b (exchange)\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> exchange a b\n"
		       "> write b \"33\"\n",
		.events = "move file a <-> b (exchange)\n"
			  "modify b\n"
			  "close_write b\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "link a c\n",
		.ops = "> write .t \"2\"\n"
		       "> rename .t c\n"
		       "> write c \"3\"\n",
		.events = "move file -> c (replaced)\n"
			  "modify c\n"
			  "close_write c\n",
	},
	{
		.setup = "write b \"1\"\n"
			 "outside write o \"2\"\n",
		.ops = "> movein o b\n"
		       "> write b \"3\"\n"
		       "> touch b 1000000000\n",
		.events = "move file -> b (replaced)\n"
			  "modify b\n"
			  "close_write b\n",
		.polling = "move file -> b (replaced)\n",
	},
	/* its times hide that it was written */
	{
		.setup = "write a \"1000\"\n"
			 "write b \"1001\"\n"
			 "touch b 1000000000\n",
		.ops = "> rename b a\n"
		       "> write a \"1008\"\n"
		       "> touch a 1000000000\n",
		.events = "move file b -> a (replaced)\n"
			  "modify a\n"
			  "close_write a\n",
		.polling = "move file b -> a (replaced)\n",
	},
	{
		.setup = "mkdir d\n"
			 "symlink t l\n",
		.ops = "> chmod 700 d\n"
		       "> exchange d l\n",
		.events = "move dir d <-> l (exchange)\n"
			  "attrib dir l\n",
	},
	{
		.setup = "mkdir d\n",
		.ops = "> setxattr d user.x \"1\"\n"
		       "> rename d f\n",
		.events = "move dir d -> f\n"
			  "attrib dir f\n",
		.polling = "move dir d -> f\n",
	},
};

static void which_inode_was_changed(void **state)
{
	(void)state;
	RUN_ALL(which_inode_was_changed_cases);
}

/* This includes files that a listing found, and files with several names. */
static const struct burst closes_are_reported_in_the_order_of_paths_cases[] = {
	{
		.setup = "",
		.ops = "> write m \"1\"\n"
		       "> mkdir d\n"
		       "> mkdir d/x\n"
		       "> write d/x/f \"2\"\n",
		.events = "create dir d\n"
			  "create dir d/x\n"
			  "create file d/x/f\n"
			  "create file m\n"
			  "modify d/x/f\n"
			  "modify m\n"
			  "close_write d/x/f\n"
			  "close_write m\n",
	},
	{
		.setup = "mkdir e\n"
			 "write e/b \"0\"\n",
		.ops = "> write .t \"1\"\n"
		       "> unlink e/b\n"
		       "> link .t e/b\n"
		       "> unlink .t\n"
		       "> tmpfile e/m \"2\"\n",
		.events = "move file -> e/b (replaced)\n"
			  "create file e/m\n"
			  "modify e/b\n"
			  "modify e/m\n"
			  "close_write e/b\n"
			  "close_write e/m\n",
	},
	{
		.setup = "write b \"1\"\n",
		.ops = "> write .t \"2\"\n"
		       "> rename .t b\n"
		       "> mkdir a\n"
		       "> mkdir a/x\n"
		       "> write a/x/f \"3\"\n"
		       "> link b a/a\n",
		.events = "move file -> b (replaced)\n"
			  "create dir a\n"
			  "create file a/a\n"
			  "create dir a/x\n"
			  "create file a/x/f\n"
			  "modify a/a\n"
			  "modify b\n"
			  "modify a/x/f\n"
			  "close_write a/a\n"
			  "close_write b\n"
			  "close_write a/x/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "write b \"1\"\n",
		.ops = "> link b m\n"
		       "> write m \"2\"\n"
		       "> write d/c \"3\"\n",
		.events = "create file d/c\n"
			  "create file m\n"
			  "modify b\n"
			  "modify m\n"
			  "modify d/c\n"
			  "close_write b\n"
			  "close_write m\n"
			  "close_write d/c\n",
	},
};

/* A link that is gone again is no change of attributes, also if the file is in a directory that was
 * moved in the window. */
static const struct burst links_that_were_removed_cases[] = {
	{
		.setup = "mkdir d\n"
			 "mkdir d/d\n"
			 "write d/d/a \"1\"\n",
		.ops = "> rename d c\n"
		       "> link c/d/a n\n"
		       "> write .t \"2\"\n"
		       "> rename .t n\n"
		       "> write n \"3\"\n",
		.events = "move dir d -> c\n"
			  "create file n\n"
			  "modify n\n"
			  "close_write n\n",
		.polling = "move dir d -> c\n"
			   "create file n\n"
			   "modify n\n"
			   "attrib file c/d/a\n"
			   "close_write n\n",
	},
};

/* No order of renames leads there without another name: the outer directory is deleted, and with it
 * the one that would move out of it. */
static const struct burst directories_that_changed_places_with_their_parent_cases[] = {
	{
		.setup = "mkdir d\n"
			 "mkdir d/b\n"
			 "write d/b/f \"1\"\n",
		.ops = "> rename d/b t\n"
		       "> rename d t/x\n"
		       "> rename t d\n",
		.events = "delete file d/b/f\n"
			  "delete dir d/b\n"
			  "delete dir d\n"
			  "create dir d\n"
			  "move file -> d/f\n"
			  "move dir -> d/x\n",
	},
	{
		.setup = "mkdir d\n"
			 "mkdir d/b\n"
			 "write d/b/f \"1\"\n"
			 "mkdir z\n",
		.ops = "> rename d/b t\n"
		       "> rename d t/x\n"
		       "> rename z d\n"
		       "> rename t z\n",
		.events = "move dir d <-> z (exchange)\n"
			  "delete file z/b/f\n"
			  "delete dir z/b\n"
			  "delete dir z\n"
			  "create dir z\n"
			  "move file -> z/f\n"
			  "move dir -> z/x\n",
	},
};

static void directories_that_changed_places_with_their_parent(void **state)
{
	(void)state;
	RUN_ALL(directories_that_changed_places_with_their_parent_cases);
}

/* A new link remains, and the names by which the file was known leave the share. */
static const struct burst links_whose_first_name_left_cases[] = {
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> link d/f n\n"
		       "> write n \"22\"\n"
		       "> moveout d x\n",
		.events = "move dir d ->\n"
			  "create file n\n"
			  "modify n\n"
			  "close_write n\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> link d/f n\n"
		       "> chmod 600 n\n"
		       "> moveout d x\n",
		.events = "move dir d ->\n"
			  "create file n\n"
			  "attrib file n\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> link d/f n\n"
		       "> moveout d x\n",
		.events = "move dir d ->\n"
			  "create file n\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> moveout d/f x\n"
		       "> mkdir n\n"
		       "> movein x n/f\n"
		       "> link n/f n/g\n"
		       "> write n/g \"22\"\n"
		       "> unlink n/f\n",
		.events = "create dir n\n"
			  "move file d/f -> n/g\n"
			  "modify n/g\n"
			  "close_write n/g\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> mkdir n\n"
		       "> link d/f n/g\n"
		       "> write n/g \"22\"\n"
		       "> moveout d x\n",
		.events = "delete file d/f\n"
			  "delete dir d\n"
			  "create dir n\n"
			  "create file n/g\n"
			  "modify n/g\n"
			  "close_write n/g\n",
		.polling = "move dir d ->\n"
			   "create dir n\n"
			   "create file n/g\n"
			   "modify n/g\n"
			   "close_write n/g\n",
	},
};

static void links_whose_first_name_left(void **state)
{
	(void)state;
	RUN_ALL(links_whose_first_name_left_cases);
}

static void links_that_were_removed(void **state)
{
	(void)state;
	RUN_ALL(links_that_were_removed_cases);
}

static void closes_are_reported_in_the_order_of_paths(void **state)
{
	(void)state;
	RUN_ALL(closes_are_reported_in_the_order_of_paths_cases);
}

/* The kernel merges equal records, and those of one name. */
static const struct burst records_that_the_kernel_merges_cases[] = {
	{
		.setup = "mkdir d\n"
			 "write d/a \"1\"\n",
		.ops = "> moveout d/a x\n"
		       "> movein x d/a\n"
		       "> moveout d/a y\n",
		.events = "move file d/a ->\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> moveout a x\n"
		       "> movein x a\n"
		       "> rename b a\n"
		       "> moveout a y\n",
		.events = "move file b ->\n"
			  "delete file a\n",
		.kernel_only = true,
	},
	/* it came back by another one of its names */
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "link a d/c\n",
		.ops = "> moveout d/c x\n"
		       "> moveout a y\n"
		       "> movein y a\n"
		       "> write t \"2\"\n"
		       "> rename t a\n",
		.events = "move file -> a (replaced)\n"
			  "delete file d/c\n"
			  "modify a\n"
			  "close_write a\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "link a d/c\n",
		.ops = "> moveout d/c x\n"
		       "> movein x e/n\n"
		       "> moveout a y\n"
		       "> write t \"2\"\n"
		       "> rename t e/n\n",
		.events = "move file a ->\n"
			  "delete file d/c\n"
			  "create file e/n\n"
			  "modify e/n\n"
			  "close_write e/n\n",
		.kernel_only = true,
	},
	/* the name got another file before the kernel merged the records */
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> moveout a x\n"
		       "> rename b a\n"
		       "> rename a b\n"
		       "> movein x a\n"
		       "> rename b a\n"
		       "> unlink a\n",
		.events = "delete file a\n"
			  "delete file b\n",
		.kernel_only = true,
	},
	/* a new file gets the name, and one from outside replaces it */
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> write t \"2\"\n"
		       "> rename t a\n"
		       "> movein o a\n",
		.events = "move file -> a\n",
	},
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> write t \"2\"\n"
		       "> rename t a\n"
		       "> movein o a\n"
		       "> append a \"3\"\n",
		.events = "move file -> a\n"
			  "modify a\n"
			  "close_write a\n",
	},
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> write t \"2\"\n"
		       "> rename t a\n"
		       "> movein o a\n"
		       "> append a \"3\"\n"
		       "> touch a 1000000000\n",
		.events = "move file -> a\n"
			  "modify a\n"
			  "close_write a\n",
		.kernel_only = true,
	},
};

static void records_that_the_kernel_merges(void **state)
{
	(void)state;
	RUN_ALL(records_that_the_kernel_merges_cases);
}

/* A new directory has the name of an entry that is gone, and something of the share was moved into
 * it: that entry is reported as gone first. */
static const struct burst moves_into_a_directory_that_replaced_something_cases[] = {
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n"
			 "write f \"3\"\n",
		.ops = "> mkdir x\n"
		       "> exchange x f\n"
		       "> unlink x\n"
		       "> link b f/b\n"
		       "> exchange a f/b\n",
		.events = "delete file f\n"
			  "create dir f\n"
			  "move file a -> f/b\n"
			  "create file a\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "write f \"3\"\n"
			 "outside write o \"2\"\n",
		.ops = "> mkdir x\n"
		       "> exchange x f\n"
		       "> rename a f/b\n"
		       "> movein o a\n"
		       "> moveout x y\n",
		.events = "delete file f\n"
			  "create dir f\n"
			  "move file a -> f/b\n"
			  "move file -> a\n",
		.kernel_only = true,
	},
	/* it was in the directory that is gone: no order of renames leads there */
	{
		.setup = "mkdir f\n"
			 "write f/a \"1\"\n"
			 "outside write o \"2\"\n",
		.ops = "> mkdir x\n"
		       "> exchange x f\n"
		       "> rename x/a f/b\n"
		       "> rmdir x\n"
		       "> movein o f/a\n",
		.events = "delete file f/a\n"
			  "delete dir f\n"
			  "create dir f\n"
			  "move file -> f/a\n"
			  "move file -> f/b\n",
	},
};

static void moves_into_a_directory_that_replaced_something(void **state)
{
	(void)state;
	RUN_ALL(moves_into_a_directory_that_replaced_something_cases);
}

/* While a directory is not watched, it is unknown where an entry was moved. */
static const struct burst moves_to_an_unknown_place_cases[] = {
	{
		.setup = "mkdir d\n"
			 "mkdir e\n"
			 "outside mkdir p\n",
		.ops = "> moveout e x\n"
		       "> movein p f\n"
		       "> moveout d y\n"
		       "> movein y d\n",
		.events = "move dir -> f\n"
			  "move dir e ->\n"
			  "attrib dir d\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n",
		.ops = "> moveout a x\n"
		       "> movein x a\n"
		       "> mkdir n\n"
		       "> rename a n/m\n"
		       "> unlink n/m\n",
		.events = "delete file a\n"
			  "create dir n\n",
	},
	{
		.setup = "mkdir d\n",
		.ops = "> create d/a\n"
		       "> rename d m\n"
		       "> moveout m x\n"
		       "> movein x m\n"
		       "> moveout m y\n",
		.events = "delete dir d\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> moveout b x\n"
		       "> moveout a y\n"
		       "> movein y a\n"
		       "> mkdir n\n"
		       "> rename a n/m\n",
		.events = "create dir n\n"
			  "move file a -> n/m\n"
			  "delete file b\n",
		.kernel_only = true,
	},
	{
		.setup = "write b \"1\"\n"
			 "mkdir d\n"
			 "symlink t l\n",
		.ops = "> moveout l x\n"
		       "> write f \"2\"\n"
		       "> mkdir d/a\n"
		       "> rename f d/a/m\n"
		       "> exchange d/a/m b\n",
		.events = "create dir d/a\n"
			  "move file b -> d/a/m\n"
			  "move symlink l ->\n"
			  "create file b\n"
			  "modify b\n"
			  "close_write b\n",
		.kernel_only = true,
	},
};

static void moves_to_an_unknown_place(void **state)
{
	(void)state;
	RUN_ALL(moves_to_an_unknown_place_cases);
}

/* The change of a linked file shows at its other name. */
static const struct burst files_that_were_written_through_a_link_that_left_cases[] = {
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> link d/f m\n"
		       "> append m \"2\"\n"
		       "> moveout m x\n",
		.events = "modify d/f\n"
			  "close_write d/f\n",
	},
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n",
		.ops = "> link d/f m\n"
		       "> moveout m x\n"
		       "> write n \"2\"\n"
		       "> moveout n y\n"
		       "> create z\n",
		.events = "create file z\n"
			  "close_write z\n",
	},
};

static void files_that_were_written_through_a_link_that_left(void **state)
{
	(void)state;
	RUN_ALL(files_that_were_written_through_a_link_that_left_cases);
}

/* No record says which file in a new directory was written. Its mtime does. */
static const struct burst files_that_came_and_were_moved_into_a_new_directory_cases[] = {
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> movein o a\n"
		       "> append a \"2\"\n"
		       "> mkdir n\n"
		       "> rename a n/m\n",
		.events = "create dir n\n"
			  "move file -> n/m\n"
			  "modify n/m\n"
			  "close_write n/m\n",
	},
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> movein o a\n"
		       "> mkdir n\n"
		       "> rename a n/m\n",
		.events = "create dir n\n"
			  "move file -> n/m\n",
	},
};

static void files_that_came_and_were_moved_into_a_new_directory(void **state)
{
	(void)state;
	RUN_ALL(files_that_came_and_were_moved_into_a_new_directory_cases);
}

/* No order of moves leads there. The entry has not left the share. */
static const struct burst entries_below_their_old_name_cases[] = {
	{
		.setup = "write b \"1\"\n",
		.ops = "> rename b a\n"
		       "> mkdir b\n"
		       "> rename a b/m\n",
		.events = "delete file b\n"
			  "create dir b\n"
			  "move file -> b/m\n",
	},
	{
		.setup = "mkdir b\n"
			 "write b/f \"1\"\n",
		.ops = "> rename b a\n"
		       "> mkdir b\n"
		       "> rename a b/m\n",
		.events = "delete file b/f\n"
			  "delete dir b\n"
			  "create dir b\n"
			  "move dir -> b/m\n"
			  "create file b/m/f\n",
	},
};

static void entries_below_their_old_name(void **state)
{
	(void)state;
	RUN_ALL(entries_below_their_old_name_cases);
}

/* Nothing is known of the file before it got a name here. */
static const struct burst files_that_came_and_were_linked_cases[] = {
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> movein o c\n"
		       "> link c d\n"
		       "> write c \"2\"\n",
		.events = "create file c\n"
			  "create file d\n"
			  "modify c\n"
			  "modify d\n"
			  "close_write c\n"
			  "close_write d\n",
	},
	{
		.setup = "outside write o \"1\"\n",
		.ops = "> movein o c\n"
		       "> link c d\n",
		.events = "create file c\n"
			  "create file d\n",
	},
	{
		.setup = "mkdir e\n"
			 "outside mkdir p\n"
			 "outside write p/f \"1\"\n",
		.ops = "> movein p n\n"
		       "> write n/f \"2\"\n"
		       "> link n/f e/m\n",
		.events = "move dir -> n\n"
			  "create file e/m\n"
			  "create file n/f\n"
			  "modify e/m\n"
			  "modify n/f\n"
			  "close_write e/m\n"
			  "close_write n/f\n",
	},
};

static void files_that_came_and_were_linked(void **state)
{
	(void)state;
	RUN_ALL(files_that_came_and_were_linked_cases);
}

/* All names of a file are reported where its first name is. */
static const struct burst files_that_were_linked_and_written_cases[] = {
	{
		.setup = "mkdir d\n"
			 "write d/f \"1\"\n"
			 "mkdir d/d\n",
		.ops = "> link d/f c\n"
		       "> append c \"2\"\n"
		       "> write d/d/a \"3\"\n",
		.events = "create file c\n"
			  "create file d/d/a\n"
			  "modify c\n"
			  "modify d/f\n"
			  "modify d/d/a\n"
			  "close_write c\n"
			  "close_write d/f\n"
			  "close_write d/d/a\n",
	},
	/* the second name is in a new directory, where no record reports the write */
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n",
		.ops = "> mkdir d/n\n"
		       "> link a d/n/b\n"
		       "> tmpfile d/n/f \"2\"\n"
		       "> write d/n/b \"3\"\n",
		.events = "create dir d/n\n"
			  "create file d/n/b\n"
			  "create file d/n/f\n"
			  "modify a\n"
			  "modify d/n/b\n"
			  "modify d/n/f\n"
			  "close_write a\n"
			  "close_write d/n/b\n"
			  "close_write d/n/f\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n",
		.ops = "> mkdir d/n\n"
		       "> link a d/n/b\n"
		       "> link a d/n/c\n"
		       "> create d/n/f\n"
		       "> chmod 600 d/n/c\n",
		.events = "create dir d/n\n"
			  "create file d/n/b\n"
			  "create file d/n/c\n"
			  "create file d/n/f\n"
			  "attrib file a\n"
			  "attrib file d/n/b\n"
			  "attrib file d/n/c\n"
			  "close_write d/n/f\n",
	},
};

static void files_that_were_linked_and_written(void **state)
{
	(void)state;
	RUN_ALL(files_that_were_linked_and_written_cases);
}

/* A file that gets another name, and loses it. */
static const struct burst files_that_left_after_a_link_was_removed_cases[] = {
	{
		.setup = "write a \"1\"\n",
		.ops = "> link a m\n"
		       "> moveout a x\n"
		       "> unlink m\n",
		.events = "move file a ->\n",
		.kernel_only = true,
	},
	{
		.setup = "write a \"1\"\n",
		.ops = "> link a m\n"
		       "> unlink a\n"
		       "> rename m a\n"
		       "> moveout a x\n",
		.events = "delete file a\n",
		.kernel_only = true,
	},
	/* the number of the new file may be that of the one that it replaces */
	{
		.setup = "write a \"1\"\n"
			 "write b \"2\"\n",
		.ops = "> rename b a\n"
		       "> write m \"3\"\n"
		       "> rename m a\n"
		       "> moveout a x\n",
		.events = "delete file a\n"
			  "delete file b\n",
		.kernel_only = true,
	},
};

static void files_that_left_after_a_link_was_removed(void **state)
{
	(void)state;
	RUN_ALL(files_that_left_after_a_link_was_removed_cases);
}

/* The times and the mode of a new file belong to its create, under each of its names. */
static const struct burst links_of_new_files_in_new_directories_cases[] = {
	/* no record says that the file was written: its directory was not watched yet */
	{
		.setup = "write a \"1\"\n",
		.ops = "> mkdir d\n"
		       "> write d/f \"22\"\n"
		       "> rename d/f a\n"
		       "> mkdir n\n"
		       "> touch a 1000000000\n"
		       "> link a n/a\n",
		.events = "move file -> a (replaced)\n"
			  "create dir d\n"
			  "create dir n\n"
			  "create file n/a\n"
			  "modify a\n"
			  "modify n/a\n"
			  "close_write a\n"
			  "close_write n/a\n",
	},
	{
		.setup = "",
		.ops = "> mkdir d\n"
		       "> write d/f \"22\"\n"
		       "> rename d/f a\n"
		       "> mkdir n\n"
		       "> link a n/a\n"
		       "> chmod 600 a\n",
		.events = "create file a\n"
			  "create dir d\n"
			  "create dir n\n"
			  "create file n/a\n"
			  "modify a\n"
			  "modify n/a\n"
			  "close_write a\n"
			  "close_write n/a\n",
	},
	{
		.setup = "",
		.ops = "> mkdir d\n"
		       "> write d/f \"22\"\n"
		       "> rename d/f b\n"
		       "> link b a\n"
		       "> mkdir n\n"
		       "> chmod 600 a\n"
		       "> rename b n/a\n",
		.events = "create file a\n"
			  "create dir d\n"
			  "create dir n\n"
			  "create file n/a\n"
			  "modify a\n"
			  "modify n/a\n"
			  "close_write a\n"
			  "close_write n/a\n",
	},
	/* an old file has no create that they belong to */
	{
		.setup = "write a \"1\"\n",
		.ops = "> chmod 600 a\n"
		       "> mkdir n\n"
		       "> link a n/a\n",
		.events = "create dir n\n"
			  "create file n/a\n"
			  "attrib file a\n"
			  "attrib file n/a\n",
	},
};

static void links_of_new_files_in_new_directories(void **state)
{
	(void)state;
	RUN_ALL(links_of_new_files_in_new_directories_cases);
}

/* What comes later and is removed may be what left before, unless it is of another type. */
static const struct burst what_left_before_another_type_came_cases[] = {
	{
		.setup = "write a \"1\"\n"
			 "mkdir d\n"
			 "mkdir e\n"
			 "link a d/c\n",
		.ops = "> moveout e x\n"
		       "> rename d/c d/m\n"
		       "> moveout a y\n"
		       "> movein y a\n"
		       "> write .t \"2\"\n"
		       "> rename .t a\n",
		.events = "move file a -> d/m\n"
			  "move dir e ->\n"
			  "delete file d/c\n"
			  "create file a\n"
			  "modify a\n"
			  "close_write a\n",
	},
	{
		.setup = "mkdir e\n"
			 "outside write o \"1\"\n",
		.ops = "> moveout e x\n"
		       "> movein o f\n"
		       "> unlink f\n",
		.events = "move dir e ->\n",
	},
	{
		.setup = "write a \"1\"\n"
			 "outside mkdir o\n",
		.ops = "> moveout a x\n"
		       "> movein o f\n"
		       "> rmdir f\n",
		.events = "move file a ->\n",
		.kernel_only = true,
	},
	{
		.setup = "symlink t l\n"
			 "outside mkdir o\n",
		.ops = "> moveout l x\n"
		       "> movein o l\n"
		       "> rmdir l\n",
		.events = "move symlink l ->\n",
		.kernel_only = true,
	},
};

static void what_left_before_another_type_came(void **state)
{
	(void)state;
	RUN_ALL(what_left_before_another_type_came_cases);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directories_that_were_moved_into_new_ones),
		cmocka_unit_test(changes_in_directories_that_were_moved_into_new_ones),
		cmocka_unit_test(what_arrives_and_is_changed),
		cmocka_unit_test(what_left_under_another_name),
		cmocka_unit_test(what_came_back_and_was_removed),
		cmocka_unit_test(names_that_were_linked),
		cmocka_unit_test(which_inode_was_changed),
		cmocka_unit_test(closes_are_reported_in_the_order_of_paths),
		cmocka_unit_test(links_that_were_removed),
		cmocka_unit_test(directories_that_changed_places_with_their_parent),
		cmocka_unit_test(links_whose_first_name_left),
		cmocka_unit_test(records_that_the_kernel_merges),
		cmocka_unit_test(moves_into_a_directory_that_replaced_something),
		cmocka_unit_test(moves_to_an_unknown_place),
		cmocka_unit_test(files_that_left_after_a_link_was_removed),
		cmocka_unit_test(files_that_were_written_through_a_link_that_left),
		cmocka_unit_test(files_that_came_and_were_moved_into_a_new_directory),
		cmocka_unit_test(entries_below_their_old_name),
		cmocka_unit_test(files_that_came_and_were_linked),
		cmocka_unit_test(files_that_were_linked_and_written),
		cmocka_unit_test(links_of_new_files_in_new_directories),
		cmocka_unit_test(what_left_before_another_type_came),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
