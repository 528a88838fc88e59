/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child before exec(): async-signal-safe calls only ---- */

struct child {
	char *const *argv;
	char **environment;
	int null_fd, report_fd;
	pid_t parent;
};

/* Handlers of the parent write to descriptors that the child shares. */
static void reset_signals(void)
{
	struct sigaction action;
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN &&
		    action.sa_handler != SIG_DFL)
			(void)signal(number, SIG_DFL); /* cannot fail: it had a handler */
	}
	(void)signal(SIGIO, SIG_DFL); /* the share ignores it */
	hw_standard_restore();
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* valid arguments cannot fail */
}

static _Noreturn void become_command(const struct child *child)
{
	int error;

	/* The parent also does this, because either may run first. */
	(void)setpgid(0, 0);
	/* If this program is killed, the command also ends. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != child->parent)
		_exit(127);
	reset_signals();
	if (dup2(child->null_fd, STDIN_FILENO) >= 0)
		(void)execvpe(child->argv[0], child->argv, child->environment);
	error = errno;
	(void)!write(child->report_fd, &error, sizeof(error)); /* the parent reads it */
	_exit(127);
}

/* ---- starting ---- */

/* Returns the environment with `setting` added. The caller frees the array. */
static char **environment_with(const char *setting)
{
	size_t count = 0, name = setting ? strcspn(setting, "=") + 1 : 0, kept = 0;
	char **list;

	while (environ[count])
		count++;
	list = calloc(count + 2, sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (!name || strncmp(environ[i], setting, name) != 0)
			list[kept++] = environ[i];
	}
	list[kept] = (char *)setting; /* NULL, or never modified */
	return list;
}

/* Returns 0, or the error of exec: the descriptor closes if exec succeeds. */
static int read_report(int fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == sizeof(error) ? -error : 0;
}

/* Returns the new process or -errno. Signals are blocked until it has reset its handlers. */
static pid_t fork_command(const struct child *child)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before); /* valid arguments cannot fail */
	pid = fork();
	if (pid == 0)
		become_command(child);
	if (pid < 0)
		pid = -errno;
	else
		(void)setpgid(pid, pid); /* EACCES: the child did so itself, and has already
					  * executed the command */
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int start_child(struct hw_run *run, struct child *child, int report[2])
{
	pid_t pid = fork_command(child);
	int r;

	(void)close(report[1]); /* the child has a duplicate */
	report[1] = -1;
	if (pid < 0)
		return (int)pid;
	r = read_report(report[0]);
	if (r < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return r;
	}
	run->pid = pid;
	run->status = -1;
	run->stopping = false;
	return 0;
}

int hw_run_start(struct hw_run *run, char *const *argv, const char *setting)
{
	struct child child = { .argv = argv, .parent = getpid() };
	int report[2] = { -1, -1 }, r = 0;

	child.environment = environment_with(setting);
	child.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!child.environment)
		r = -ENOMEM;
	else if (child.null_fd < 0 || pipe2(report, O_CLOEXEC) < 0)
		r = -errno;
	child.report_fd = report[1];
	if (r == 0)
		r = start_child(run, &child, report);
	free(child.environment);
	for (int i = 0; i < 2; i++) {
		if (report[i] >= 0)
			(void)close(report[i]); /* nothing is lost */
	}
	if (child.null_fd >= 0)
		(void)close(child.null_fd);
	return r;
}

/* ---- ending ---- */

static bool group_is_empty(const struct hw_run *run)
{
	return kill(-run->pid, 0) < 0 && errno == ESRCH;
}

static void finish(struct hw_run *run)
{
	int status = run->status;

	run->pid = 0;
	run->stopping = false;
	hw_timer_set(run->killer, 0);
	run->ended(run->arg, status);
}

static void check_end(struct hw_run *run)
{
	if (run->pid && run->status >= 0 && (!run->stopping || group_is_empty(run)))
		finish(run);
}

/* Reaps the leader, and orphans that became children of this process. */
static void reap(struct hw_run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != run->pid)
			continue;
		run->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static void on_child(uv_signal_t *handle, int number)
{
	struct hw_run *run = handle->data;

	(void)number;
	reap(run);
	check_end(run);
}

static void kill_group(void *arg, struct hw_timer *timer)
{
	struct hw_run *run = arg;

	(void)timer;
	(void)kill(-run->pid, SIGKILL); /* ESRCH: it has already ended */
	/* Other processes of the group may not be children of this process. */
	if (run->status >= 0)
		finish(run);
}

void hw_run_stop(struct hw_run *run, int number)
{
	if (!run->pid)
		return;
	if (run->stopping) {
		kill_group(run, run->killer);
		return;
	}
	run->stopping = true;
	hw_timer_set(run->killer, run->kill_after_ns);
	(void)kill(-run->pid, number); /* the leader exists until it is reaped */
	(void)kill(-run->pid, SIGCONT);
	check_end(run);
}

/* ---- life ---- */

int hw_run_init(struct hw_run *run, struct hw_loop *loop, uint64_t kill_after_ns,
		hw_run_ended_fn *ended, void *arg)
{
	int r;

	*run = (struct hw_run){
		.loop = loop,
		.ended = ended,
		.arg = arg,
		.kill_after_ns = kill_after_ns,
		.status = -1,
	};
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* since Linux 3.4 */
	r = hw_timer_add(loop, kill_group, run, &run->killer);
	if (r == 0)
		r = uv_signal_init(hw_loop_uv(loop), &run->child);
	run->child.data = run;
	return r == 0 ? uv_signal_start(&run->child, on_child, SIGCHLD) : r;
}

void hw_run_free(struct hw_run *run)
{
	if (run->pid)
		(void)kill(-run->pid, SIGKILL); /* this program is about to end */
	hw_timer_del(run->killer);
}
