/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities.h"
#include "log.h"
#include "user.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int hw_user_find(const char *configured, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return 0;
	user = hw_user_named(configured ? configured : HW_DAEMON_USER);
	if (!user)
		return configured ? -ENOENT : 0;
	if (user->pw_uid == 0)
		return 0;
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return 1;
}

/* Chooses the capabilities of the mask that this process has. */
static void choose(uint64_t mask)
{
	uint64_t keep = 0;

	for (unsigned cap = 0; cap <= CAP_LAST_CAP && cap < 64; cap++) {
		if ((mask >> cap & 1) && capng_have_capability(CAPNG_PERMITTED, cap))
			keep |= UINT64_C(1) << cap;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
}

static int keep(uint64_t mask)
{
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	choose(mask);
	/* Without CAP_SETPCAP, which containers and the systemd unit lack, the library would write
	 * a line about the bounding set to the log. */
	if (bounds && capng_apply(CAPNG_SELECT_BOTH) == 0)
		return 0;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static int become(uid_t uid, gid_t gid, uint64_t mask)
{
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	choose(mask);
	if (capng_change_id((int)uid, (int)gid,
			    CAPNG_INIT_SUPP_GRP | (bounds ? CAPNG_CLEAR_BOUNDING : 0)) < 0)
		return -EPERM;
	/* Its files in /proc belong to root otherwise, also for itself. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static bool may_change_user(void)
{
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
}

/* Returns 1: become the user; 0: stay root. */
static int choose_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, struct hw_errors *errors)
{
	char quoted[100];
	int r = hw_user_find(user, ret_uid, ret_gid);

	if (r < 0) {
		hw_errors_add(errors, "[hostwatch] user: there is no user %s",
			      hw_quote(quoted, sizeof(quoted), user, strlen(user)));
		return r;
	}
	if (r == 0 || may_change_user())
		return r;
	if (user) {
		hw_errors_add(errors,
			      "[hostwatch] user: cannot become %s without CAP_SETUID and "
			      "CAP_SETGID; grant them, or set user = root",
			      hw_quote(quoted, sizeof(quoted), user, strlen(user)));
		return -EPERM;
	}
	hw_warning("staying root: cannot become user " HW_DAEMON_USER " without CAP_SETUID and "
		   "CAP_SETGID; grant them, or set user = root in [hostwatch]");
	return 0;
}

int hw_rights_drop(const char *user, uint64_t mask, struct hw_errors *errors)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	r = choose_user(user, &uid, &gid, errors);
	if (r < 0)
		return r;
	r = r ? become(uid, gid, mask) : keep(mask);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0)
		hw_errors_add(errors, "cannot give up privileges: %s", strerror(-r));
	return r;
}
