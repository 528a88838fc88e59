/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-guest: passes events of the host's shares to this kernel. */
#include "arguments.h"
#include "errors.h"
#include "link.h"
#include "log.h"
#include "openat2.h"
#include "probe.h"
#include "standard.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* The position of an event is in the state file at most this long after the event. */
#define SAVE_MS 100u
#define FIXED_FDS 4u /* descriptors that are polled besides those of the links */

struct agent {
	struct hw_guest_config config;
	struct hw_link links[HW_GUEST_MOUNTS_MAX];
	struct hw_position positions[HW_GUEST_MOUNTS_MAX];
	struct hw_position saved[HW_GUEST_MOUNTS_MAX];
	size_t count; /* number of initialized links */
	const char *state; /* borrowed; NULL: positions are not stored */
	uint64_t save_ms; /* when to save; UINT64_MAX: nothing to save */
	int save_error; /* the error that was logged last */
	int signal_fd; /* owned */
	int mounts_fd; /* owned; -1 without /proc */
	bool prints; /* events of a mount are printed to stdout */
};

static uint64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- state ---- */

/* Returns 0; -EEXIST after a line: the file of the state is another one. */
static int load_state(struct agent *agent)
{
	size_t count = 0;
	char quoted[300];
	int r;

	for (size_t i = 0; i < agent->config.count; i++)
		if (!agent->config.mounts[i].follows)
			agent->positions[count++].name = agent->config.mounts[i].name;
	if (!agent->state)
		return 0;
	r = hw_state_read(agent->state, agent->positions, count);
	if (r == -EEXIST) {
		hw_error("%s is not a state of hostwatch-guest, and is left as it is: remove the "
			 "file, or name another one with --state or with 'state =' in [guest]",
			 hw_quote(quoted, sizeof(quoted), agent->state, strlen(agent->state)));
		return r;
	}
	if (r < 0)
		hw_warning("cannot read %s: %s",
			   hw_quote(quoted, sizeof(quoted), agent->state, strlen(agent->state)),
			   strerror(-r));
	memcpy(agent->saved, agent->positions, sizeof(agent->saved));
	return 0;
}

/* Returns whether the epoch of a mount changed. A new epoch is saved at once: without it, a new
 * agent would start at the end of the history and would not report that events are missing. */
static bool epoch_changed(const struct agent *agent)
{
	for (size_t i = 0; i < agent->count; i++)
		if (!agent->positions[i].held && agent->positions[i].epoch != agent->saved[i].epoch)
			return true;
	return false;
}

static bool state_changed(const struct agent *agent)
{
	for (size_t i = 0; i < agent->count; i++)
		if (!agent->positions[i].held &&
		    (agent->positions[i].epoch != agent->saved[i].epoch ||
		     agent->positions[i].seq != agent->saved[i].seq))
			return true;
	return false;
}

static void save_state(struct agent *agent)
{
	char quoted[300];
	int r;

	agent->save_ms = UINT64_MAX;
	if (!agent->state || !state_changed(agent))
		return;
	for (size_t i = 0; i < agent->count; i++)
		if (!agent->positions[i].held)
			agent->saved[i] = agent->positions[i];
	r = hw_state_write(agent->state, agent->saved, agent->count);
	if (r < 0 && r != agent->save_error)
		hw_warning("cannot write %s: %s",
			   hw_quote(quoted, sizeof(quoted), agent->state, strlen(agent->state)),
			   strerror(-r));
	agent->save_error = r;
}

static void plan_save(struct agent *agent, uint64_t now_ms)
{
	if (now_ms >= agent->save_ms || epoch_changed(agent))
		save_state(agent);
	else if (agent->save_ms == UINT64_MAX && agent->state && state_changed(agent))
		agent->save_ms = now_ms + SAVE_MS;
}

/* ---- the loop ---- */

/* Signals that end the program must interrupt a blocked write, so they are not part of the
 * descriptor. */
static int open_signals(void)
{
	sigset_t set;
	int fd, r = hw_standard_catch();

	if (r < 0)
		return r;
	(void)sigemptyset(&set); /* cannot fail, like the next call */
	(void)sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int poll_timeout(uint64_t due_ms, uint64_t now_ms)
{
	if (due_ms == UINT64_MAX)
		return -1;
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms > 60000 ? 60000 : (int)(due_ms - now_ms);
}

static void take_signal(struct agent *agent)
{
	struct signalfd_siginfo info;

	if (read(agent->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	for (size_t i = 0; i < agent->count; i++)
		hw_link_log_status(&agent->links[i]);
}

/* Returns 0; 1 if it is to end; -errno. */
static int run_once(struct agent *agent)
{
	struct pollfd fds[HW_GUEST_MOUNTS_MAX + FIXED_FDS] = {
		{ .fd = agent->signal_fd, .events = POLLIN },
		/* proc(5): a change of the mounts is reported as an error */
		{ .fd = agent->mounts_fd, .events = POLLPRI },
		{ .fd = hw_standard_caught_fd(), .events = POLLIN },
		/* an error shows that the reader left */
		{ .fd = agent->prints ? STDOUT_FILENO : -1 },
	};
	uint64_t due_ms = agent->save_ms;
	int r = 0;

	for (size_t i = 0; i < agent->count; i++) {
		uint64_t link_ms = hw_link_prepare(&agent->links[i], &fds[i + FIXED_FDS]);

		due_ms = link_ms < due_ms ? link_ms : due_ms;
	}
	if (poll(fds, agent->count + FIXED_FDS, poll_timeout(due_ms, clock_ms())) < 0)
		return errno == EINTR ? hw_standard_caught() : -errno;
	if (fds[0].revents)
		take_signal(agent);
	for (size_t i = 0; i < agent->count && fds[1].revents; i++)
		hw_link_mounts_changed(&agent->links[i], clock_ms());
	for (size_t i = 0; i < agent->count && r == 0 && !hw_standard_caught(); i++)
		r = hw_link_turn(&agent->links[i], fds[i + FIXED_FDS].revents, clock_ms());
	plan_save(agent, clock_ms());
	return r == 0 && (hw_standard_caught() || fds[3].revents) ? 1 : r;
}

static int start_links(struct agent *agent)
{
	int r = 0;

	for (size_t i = 0; i < agent->config.count && r == 0; i++) {
		if (agent->config.mounts[i].follows)
			continue;
		r = hw_link_init(&agent->links[agent->count], &agent->config.mounts[i],
				 &agent->positions[agent->count]);
		if (r == 0)
			agent->count++;
	}
	for (size_t i = 0; i < agent->count && r == 0; i++)
		r = hw_link_start(&agent->links[i], clock_ms());
	return r;
}

static int run(struct agent *agent)
{
	int r;

	if (load_state(agent) < 0)
		return HW_EXIT_CONFIG;
	agent->save_ms = UINT64_MAX;
	agent->signal_fd = open_signals();
	r = agent->signal_fd < 0 ? agent->signal_fd : 0;
	agent->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = start_links(agent);
	while (r == 0)
		r = run_once(agent);
	save_state(agent);
	for (size_t i = 0; i < agent->count; i++)
		hw_link_finish(&agent->links[i]);
	if (agent->mounts_fd >= 0)
		(void)close(agent->mounts_fd); /* only read from */
	if (agent->signal_fd >= 0)
		(void)close(agent->signal_fd); /* nothing to lose */
	if (r >= 0 || r == -EPIPE)
		return EXIT_SUCCESS; /* hw_standard_end() reports why output failed */
	hw_error("%s", strerror(-r));
	return HW_EXIT_FAILURE;
}

/* ---- start ---- */

static void set_log_level(uint32_t given, uint32_t configured)
{
	static const enum hw_log_level levels[] = { HW_LOG_ERROR, HW_LOG_WARNING, HW_LOG_INFO,
						    HW_LOG_DEBUG };

	hw_log_set_level(levels[given == HW_ARGUMENT_ABSENT ? configured : given]);
}

/* Uses the mount of --channel. Returns 0 or an exit status. */
static int take_mount(const struct hw_mount *mount, struct hw_guest_config *config)
{
	const char *option, *why;
	int r = hw_guest_config_single(mount, config, &option, &why);

	if (r == -EINVAL)
		return hw_args_mistake(&hw_guest_line, "--%s: %s", option, why);
	return r == 0 ? 0 : hw_args_failure(&hw_guest_line, "%s", strerror(-r));
}

/* Returns 0 or an exit status. */
static int read_config(const struct hw_arguments *args, struct hw_guest_config *config)
{
	const char *path = args->config ? args->config : HW_GUEST_CONFIG;
	struct hw_errors errors = { 0 };
	char quoted[300];
	FILE *file;
	int r;

	if (args->mount.channel_text)
		return take_mount(&args->mount, config);
	file = fopen(path, "re");
	if (!file) {
		hw_error("cannot open %s: %s", hw_quote(quoted, sizeof(quoted), path, strlen(path)),
			 strerror(errno));
		return HW_EXIT_CONFIG;
	}
	r = hw_guest_config_read(file, path, args->print, &errors, config);
	(void)fclose(file); /* only read from */
	hw_errors_print(&errors, stderr);
	hw_errors_free(&errors);
	return r == 0 ? 0 : r == -ENOMEM ? HW_EXIT_FAILURE : HW_EXIT_CONFIG;
}

/* Without memory, nothing is kept. */
static void name_known(struct agent *agent)
{
	for (size_t i = 0; agent->state && i < agent->config.count; i++) {
		struct hw_mount *mount = &agent->config.mounts[i];

		if (asprintf(&mount->known_path, "%s.%s", agent->state, mount->name) < 0)
			mount->known_path = NULL;
	}
}

static void choose_state(struct agent *agent, const struct hw_arguments *args)
{
	const char *state = args->state;

	/* printed events do not reach programs, so the position is not stored */
	if (!state && !args->print)
		state = agent->config.state;
	agent->state = state && *state ? state : NULL;
	for (size_t i = 0; i < agent->config.count; i++) {
		if (args->print)
			agent->config.mounts[i].inject = HW_INJECT_PRINT;
		agent->prints |= agent->config.mounts[i].inject == HW_INJECT_PRINT;
	}
}

/* Files on the mount are opened with it. */
static bool needs_openat2(const struct hw_guest_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		if (config->mounts[i].inject != HW_INJECT_PRINT &&
		    config->mounts[i].inject != HW_INJECT_REPLAY)
			return true;
	return false;
}

/* Without openat2(2), the agent would be connected and report nothing. Returns 0 or an exit status.
 */
static int check_kernel(const struct hw_guest_config *config)
{
	int r = needs_openat2(config) ? hw_openat2_check() : 0;

	if (r < 0)
		hw_error(HW_OPENAT2_REFUSED, strerror(-r));
	return r < 0 ? HW_EXIT_CONFIG : 0;
}

static int act(const struct hw_arguments *args)
{
	static struct agent agent;
	int status;

	set_log_level(args->log_level, HW_LOG_INFO);
	if (args->probe)
		return hw_probe(args->probe);
	status = read_config(args, &agent.config);
	if (status == 0 && !args->check) {
		set_log_level(args->log_level, agent.config.log_level);
		choose_state(&agent, args);
		name_known(&agent);
		hw_print_use_json(args->json);
		status = check_kernel(&agent.config);
		if (status == 0)
			status = run(&agent);
	}
	for (size_t i = 0; i < agent.config.count; i++)
		free(agent.config.mounts[i].known_path);
	hw_guest_config_free(&agent.config);
	return status;
}

int main(int argc, char **argv)
{
	struct hw_arguments args;
	int status;

	hw_standard_begin();
	status = hw_arguments_parse(argc, argv, &args);
	return hw_standard_end(status < 0 ? act(&args) : status);
}
