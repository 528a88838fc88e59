/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core.c (life, reload, stop) and core_apply.c (what runs becomes what is described) share. */
#ifndef HW_CORE_PRIVATE_H
#define HW_CORE_PRIVATE_H

#include "core.h"

struct core_share {
	struct hw_share *share; /* owned */
	uint64_t serial; /* of no other share or sink */
	char *signature; /* owned */
	bool keep; /* the new configuration describes it as well, or made it */
	bool fresh; /* made by the hw_core_apply() that runs */
	bool waits; /* for the end of what it takes the place of */
	bool started;
};

struct core_sink {
	struct hw_sink *sink; /* owned */
	uint64_t serial; /* of no other share or sink */
	char *signature; /* owned */
	bool keep; /* these as of a share */
	bool fresh;
	bool waits;
	bool started;
	bool yields; /* another one waits for its end */
};

struct hw_core {
	struct hw_loop *loop; /* borrowed */
	char *file; /* owned */
	struct hw_loader *loader; /* owned */
	struct hw_config *config; /* owned: what runs; NULL before start */
	struct core_share *shares; /* owned, in no order */
	size_t share_count;
	struct core_sink *sinks; /* owned, in no order */
	size_t sink_count;
	uint64_t serials; /* given out */
	struct hw_timer *drain_timer; /* owned */
	uint64_t drain_until_ns;
	bool dropped; /* rights were given up */
	bool announced; /* the service manager was told ready */
	bool interrupted; /* the last hw_core_apply() ended something */
	bool refused; /* the last reload found mistakes in the configuration */
};

/* Brings what runs to what the configuration says. What is new starts beside what ends, except
 * sinks at the address of one that ends, and shares that change: those come last. On failure
 * nothing of it runs, and what was ended until then, if anything, is missing. */
int hw_core_apply(struct hw_core *core, const struct hw_config *config, struct hw_errors *errors);
/* Makes and starts what core->config describes and does not run, as much of it as can be. */
void hw_core_restore(struct hw_core *core, struct hw_errors *errors);
/* Marks everything for hw_core_end_unkept(), which ends what is not kept: sinks, then shares. */
void hw_core_keep_nothing(struct hw_core *core);
void hw_core_end_unkept(struct hw_core *core);
/* Tells the service manager that we are ready, once, when every share is up. */
void hw_core_announce(struct hw_core *core);

#endif
