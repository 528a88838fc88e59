/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define WITH_TSAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef WITH_TSAN
#include <dlfcn.h>
#endif

#define STACK_BYTES ((size_t)1 << 20)
#define PARENT_BYTES ((size_t)1 << 18)
#define PATIENCE_NS UINT64_C(200000) /* the owner looks this often whether the work is away */

/*
 * A process cannot end while one of its threads waits for a server: for FUSE, this wait cannot be
 * killed. So the work runs in a child that shares everything with this process (as vfork(2) and
 * posix_spawn(3) make them), except that the end of the process does not wait for it. The kernel
 * suspends the thread that made the child, and the child uses its thread-local storage.
 */
struct hw_thread {
	uv_thread_t id; /* the one that is suspended */
	char *stack; /* owned: of the child, with a guard page */
	uv_mutex_t mutex; /* for the next five */
	uv_cond_t owner, work; /* what each side waits for */
	bool turn; /* it is the turn of the thread */
	bool away; /* it is in a system call that may wait */
	bool back; /* the call has returned, after the owner had continued */
	bool quit;
	int started; /* 1: the child runs; -errno: no child */
	hw_thread_fn *fn; /* NULL: there is no work */
	void *arg; /* borrowed */
	hw_thread_wake_fn *wake;
	void *wake_arg; /* borrowed */
	uint64_t since_ns; /* for the owner: 0, or since when the work is away */
	unsigned depth; /* for the thread: of hw_away_begin() */
	clockid_t cpu; /* CPU time of the child */
	pid_t process; /* the one that the thread belongs to */
};

static _Thread_local struct hw_thread *self; /* NULL: this thread is not one of these */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	(void)clock_gettime(clock, &now); /* cannot fail for the clocks that are used here */
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* ---- the thread ---- */

#ifdef WITH_TSAN
/* The clone() of ThreadSanitizer takes the child for that of fork(2): it would no longer see that
 * this thread synchronises with others, and refuse to start threads. */
static pid_t make_child(int (*fn)(void *arg), void *stack, int flags, void *arg)
{
	int (*real)(int (*)(void *), void *, int, void *, ...);

	real = (int (*)(int (*)(void *), void *, int, void *, ...))(
		uintptr_t)dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "clone");
	return real(fn, stack, flags, arg);
}

#else
static pid_t make_child(int (*fn)(void *arg), void *stack, int flags, void *arg)
{
	return clone(fn, stack, flags, arg);
}

#endif

/* Not by _exit(): sanitizers would examine the stack before it, which is not that of a thread, or
 * end the run. */
static void end_child(void)
{
	(void)syscall(SYS_exit_group, EXIT_SUCCESS); /* does not return */
}

/* Called with the mutex. */
static void wait_for_turn(struct hw_thread *thread)
{
	while (!thread->turn && !thread->quit)
		uv_cond_wait(&thread->work, &thread->mutex);
	if (!thread->quit)
		return;
	uv_mutex_unlock(&thread->mutex);
	end_child();
}

static void end_turn(struct hw_thread *thread)
{
	thread->turn = false;
	uv_cond_signal(&thread->owner);
	wait_for_turn(thread);
}

static int main_of_child(void *arg)
{
	struct hw_thread *thread = arg;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail with a valid signal */
	if (getppid() != thread->process) /* it was killed before that */
		end_child();
	(void)clock_getcpuclockid(getpid(), &thread->cpu); /* cannot fail for this process */
	uv_mutex_lock(&thread->mutex);
	thread->started = 1;
	uv_cond_signal(&thread->owner);
	wait_for_turn(thread);
	while (true) { /* wait_for_turn() ends the child */
		uv_mutex_unlock(&thread->mutex);
		thread->fn(thread->arg);
		uv_mutex_lock(&thread->mutex);
		thread->fn = NULL;
		end_turn(thread);
	}
	return 0;
}

static void main_of_thread(void *arg)
{
	const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM;
	struct hw_thread *thread = arg;
	pid_t pid;

	self = thread;
	thread->process = getpid();
	pid = make_child(main_of_child, thread->stack + STACK_BYTES, flags,
			 thread); /* until it ends */
	if (pid < 0) {
		uv_mutex_lock(&thread->mutex);
		thread->started = -errno;
		uv_cond_signal(&thread->owner);
		uv_mutex_unlock(&thread->mutex);
		return;
	}
	if (!thread->quit)
		abort(); /* it was killed, perhaps in the middle of a change */
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

void hw_thread_rest(struct hw_thread *thread)
{
	uv_mutex_lock(&thread->mutex);
	end_turn(thread);
	uv_mutex_unlock(&thread->mutex);
}

/* Not inline, like come_back(): most calls are made on other threads, which need not prepare for
 * this. */
static __attribute__((noinline)) void go_away(struct hw_thread *thread)
{
	int error = errno;

	uv_mutex_lock(&thread->mutex);
	thread->away = true;
	uv_mutex_unlock(&thread->mutex);
	errno = error;
}

void hw_away_begin(void)
{
	struct hw_thread *thread = self;

	if (thread && !thread->depth++)
		go_away(thread);
}

bool hw_away_is_possible(void)
{
	return self;
}

pid_t hw_thread_process(void)
{
	return self ? self->process : getpid();
}

void hw_away_begin_long(void)
{
	struct hw_thread *thread = self;

	hw_away_begin();
	if (!thread || thread->depth > 1)
		return;
	uv_mutex_lock(&thread->mutex);
	if (thread->turn) {
		thread->turn = false;
		thread->since_ns = now_ns();
		uv_cond_signal(&thread->owner);
	}
	uv_mutex_unlock(&thread->mutex);
}

static __attribute__((noinline)) void come_back(struct hw_thread *thread)
{
	int error = errno;

	uv_mutex_lock(&thread->mutex);
	if (!thread->turn) { /* the owner has continued */
		thread->back = true;
		uv_cond_signal(&thread->owner);
		thread->wake(thread->wake_arg);
		wait_for_turn(thread);
		thread->back = false;
	}
	thread->away = false;
	uv_mutex_unlock(&thread->mutex);
	errno = error;
}

void hw_away_end(void)
{
	struct hw_thread *thread = self;

	if (thread && !--thread->depth)
		come_back(thread);
}

unsigned hw_away_enter(void)
{
	unsigned depth = self ? self->depth : 0;

	if (depth) {
		self->depth = 1;
		hw_away_end();
	}
	return depth;
}

void hw_away_leave(unsigned depth)
{
	if (!depth)
		return;
	hw_away_begin();
	self->depth = depth;
}

/* ---- its owner ---- */

static int make_stack(struct hw_thread *thread)
{
	thread->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (thread->stack == MAP_FAILED)
		return -errno;
	if (mprotect(thread->stack, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) < 0) {
		int error = errno;

		(void)munmap(thread->stack, STACK_BYTES); /* cannot fail */
		return -error;
	}
	return 0;
}

static int start(struct hw_thread *thread)
{
	const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
					      .stack_size = PARENT_BYTES };
	sigset_t all, old;
	int r;

	/* Signals are for the loop. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* cannot fail with these arguments */
	r = uv_thread_create_ex(&thread->id, &options, main_of_thread, thread);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	uv_mutex_lock(&thread->mutex);
	while (!thread->started)
		uv_cond_wait(&thread->owner, &thread->mutex);
	r = thread->started;
	uv_mutex_unlock(&thread->mutex);
	if (r < 0)
		(void)uv_thread_join(&thread->id);
	return r;
}

static void release(struct hw_thread *thread)
{
	uv_cond_destroy(&thread->work);
	uv_cond_destroy(&thread->owner);
	uv_mutex_destroy(&thread->mutex);
#ifdef WITH_ASAN
	/* The child has not returned. The next stack may be at the same place. */
	__asan_unpoison_memory_region(thread->stack, STACK_BYTES);
#endif
	(void)munmap(thread->stack, STACK_BYTES); /* cannot fail */
	free(thread);
}

int hw_thread_create(hw_thread_wake_fn *wake, void *arg, struct hw_thread **ret)
{
	struct hw_thread *thread = calloc(1, sizeof(*thread));
	int r;

	if (!thread)
		return -ENOMEM;
	r = make_stack(thread);
	if (r < 0) {
		free(thread);
		return r;
	}
	thread->wake = wake;
	thread->wake_arg = arg;
	/* On Linux, these fail for lack of memory only, and glibc needs none. */
	(void)uv_mutex_init(&thread->mutex);
	(void)uv_cond_init(&thread->owner);
	(void)uv_cond_init(&thread->work);
	r = start(thread);
	if (r < 0) {
		release(thread);
		return r;
	}
	*ret = thread;
	return 0;
}

void hw_thread_free(struct hw_thread *thread)
{
	if (!thread)
		return;
	uv_mutex_lock(&thread->mutex);
	thread->quit = true;
	uv_cond_signal(&thread->work);
	uv_mutex_unlock(&thread->mutex);
	(void)uv_thread_join(&thread->id);
	release(thread);
}

bool hw_thread_run(struct hw_thread *thread, hw_thread_fn *fn, void *arg)
{
	bool ended;

	uv_mutex_lock(&thread->mutex);
	if (fn) {
		thread->fn = fn;
		thread->arg = arg;
	}
	thread->turn = true;
	thread->since_ns = 0;
	uv_cond_signal(&thread->work);
	while (thread->turn) {
		int r = uv_cond_timedwait(&thread->owner, &thread->mutex, PATIENCE_NS);

		if (r == 0 || !thread->turn || !thread->away)
			continue;
		thread->turn = false;
		thread->since_ns = now_ns();
	}
	ended = !thread->fn;
	uv_mutex_unlock(&thread->mutex);
	return ended;
}

uint64_t hw_thread_cpu_ns(const struct hw_thread *thread)
{
	return clock_ns(thread->cpu);
}

uint64_t hw_thread_away_since(struct hw_thread *thread)
{
	uint64_t since;

	uv_mutex_lock(&thread->mutex);
	since = thread->back ? 0 : thread->since_ns;
	uv_mutex_unlock(&thread->mutex);
	return since;
}

bool hw_thread_await(struct hw_thread *thread, uint64_t timeout_ns)
{
	uint64_t end = now_ns() + timeout_ns, now;
	bool back;

	uv_mutex_lock(&thread->mutex);
	while (thread->since_ns && !thread->back && (now = now_ns()) < end)
		(void)uv_cond_timedwait(&thread->owner, &thread->mutex, end - now);
	back = !thread->since_ns || thread->back;
	uv_mutex_unlock(&thread->mutex);
	return back;
}
