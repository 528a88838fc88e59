/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by core.c (start, reload, stop), core_apply.c (applying a configuration) and
 * core_switch.c. */
#ifndef HW_CORE_PRIVATE_H
#define HW_CORE_PRIVATE_H

#include "core.h"

struct core_share {
	struct hw_share *share; /* owned */
	uint64_t serial; /* differs from that of any other share or sink */
	char *signature; /* owned */
	bool keep; /* the new configuration also describes it, or it was created for that */
	bool fresh; /* created by the current hw_core_apply() */
	bool waits; /* it starts when the share that it replaces has ended */
	bool started;
};

struct core_sink {
	struct hw_sink *sink; /* owned */
	uint64_t serial; /* differs from that of any other share or sink */
	char *signature; /* owned */
	bool keep; /* these four are as in struct core_share */
	bool fresh;
	bool waits;
	bool started;
	bool yields; /* it must end before another one can start */
};

struct hw_core {
	struct hw_loop *loop; /* borrowed */
	char *file; /* owned */
	struct hw_loader *loader; /* owned */
	struct hw_config *config; /* owned: the active configuration; NULL before the start */
	struct core_share *shares; /* owned, unordered */
	size_t share_count;
	struct core_sink *sinks; /* owned, unordered */
	size_t sink_count;
	uint64_t serials; /* serials assigned so far */
	struct hw_timer *drain_timer; /* owned */
	uint64_t drain_until_ns;
	bool dropped; /* capabilities were dropped */
	bool confines; /* the process is to be confined at the same time */
	bool confined;
	bool announced; /* the service manager was notified */
	bool interrupted; /* the last hw_core_apply() stopped a share or sink */
	bool refused; /* the last reload found mistakes in the configuration */
};

/* Replaces the running shares and sinks by those of the configuration. New ones start before old
 * ones end, with two exceptions, which start last: sinks that need the address of an old one, and
 * shares that change. On failure, no new one runs, and old ones that had already ended are missing.
 * */
int hw_core_apply(struct hw_core *core, const struct hw_config *config, struct hw_errors *errors);
/* Starts, as far as possible, the shares and sinks of core->config that are not running. */
void hw_core_restore(struct hw_core *core, struct hw_errors *errors);
/* Marks all shares and sinks for hw_core_end_unkept(), which ends the sinks, then the shares, that
 * are not kept. */
void hw_core_keep_nothing(struct hw_core *core);
void hw_core_end_unkept(struct hw_core *core);
/* Notifies the service manager, once, when no share is arming. */
void hw_core_announce(struct hw_core *core);

#endif
