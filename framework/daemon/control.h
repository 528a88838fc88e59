/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket, through which `hostwatch status`, `switch`, `sync` and `reload` talk to the
 * daemon. A peer sends commands, each of them a line, and receives records. Loop thread only.
 *
 *	status
 *		`share` records, each followed by a `watcher` record for each running watcher of
 *		the share; `sink` records, each followed by its `address` and `receiver` records
 *	switch SHARE WATCHERS
 *		answers when the new watchers have taken over: from, to, the number of entries
 *		compared, the number of events reported meanwhile; WATCHERS: auto, or names
 *		separated by commas
 *	sync SHARE
 *		answers with seq=N when the stream contains every earlier change
 *	reload
 *		like SIGHUP; answers with a `change` record for each share and sink (started,
 *		stopped, restarted, kept), or, if the file has mistakes, with `mistake` records
 *		and an `error` whose cause is "configuration"
 *
 * A record is a line: its kind, then TAB and key=value for each field. A key may occur several
 * times. In values, \t, \n and \\ are escaped. The last line of an answer is `ok` (with fields) or
 * `error` with the field text. Then the peer may send the next command.
 */
#ifndef HW_CONTROL_H
#define HW_CONTROL_H

#include "errors.h"
#include "loop.h"

#define HW_CONTROL_REQUEST_MAX 1024u /* bytes of a command */
#define HW_CONTROL_ANSWER_MAX (4u << 20) /* bytes waiting for a peer that does not read */
#define HW_CONTROL_PEERS_MAX 32u
#define HW_CONTROL_PENDING_MAX 64u /* pending commands of all peers */

struct hw_control;
struct hw_core;

/*
 * Serves a core at `path`, as hw_control_listen() takes it, with mode 0600. Peers that run neither
 * as root nor as the user of this process are rejected. Errors as for hw_control_listen(), or
 * -ENOMEM. A path of "" means no socket: returns 0 and writes NULL.
 */
int hw_control_create(struct hw_loop *loop, struct hw_core *core, const char *path,
		      struct hw_errors *errors, struct hw_control **ret);
/* Removes the socket. Call it after hw_core_destroy(), which answers the pending commands. Accepts
 * NULL. */
void hw_control_destroy(struct hw_control *control);

#endif
