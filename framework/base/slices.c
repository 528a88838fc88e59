/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* With it, longjmp() refuses to change to another stack. */
#undef _FORTIFY_SOURCE
#include "slices.h"

#include "clock.h"
#include "thread.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

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
#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define SLICE_NS UINT64_C(2000000)
#define PATIENCE_NS UINT64_C(300000000) /* of hw_slices_finish() */
#define PATIENCE_MIN_NS UINT64_C(20000000) /* while others have been waited for */
#define STACK_BYTES ((size_t)1 << 20) /* pages that are not used take no memory */

/* One of the two sides of a switch: the owner or the work. */
struct side {
	ucontext_t context;
	jmp_buf place; /* where it left its stack, if `left` */
	bool left;
	const void *bottom; /* of its stack; the next two are for sanitizers only */
	size_t bytes;
	void *fiber;
};

struct hw_slices_stack {
	struct side owner, work;
	void *memory; /* owned: a guard page and the stack of the work */
	size_t memory_bytes;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- switching ---- */

/* `from`: the side that ran until now. */
static void after_switch(struct side *from, void *fake)
{
	(void)from;
	(void)fake;
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(fake, &from->bottom, &from->bytes);
#endif
}

#if defined(WITH_ASAN) || defined(WITH_TSAN)
/* Sanitizers have to know which stack is in use. */
static void before_switch(struct side *to, void **ret_fake)
{
	(void)ret_fake;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(ret_fake, to->bottom, to->bytes);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* The swapcontext() of the sanitizer warns that it does not know the stacks. before_switch() names
 * them. */
static int swap(ucontext_t *from, const ucontext_t *to)
{
#ifdef WITH_ASAN
	static int (*real)(ucontext_t *, const ucontext_t *);

	if (!real)
		real = (int (*)(ucontext_t *, const ucontext_t *))(
			uintptr_t)dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "swapcontext");
	if (real)
		return real(from, to);
#endif
	return swapcontext(from, to);
}

static void switch_sides(struct side *from, struct side *to)
{
	void *fake = NULL;

	before_switch(to, &fake);
	(void)swap(&from->context, &to->context); /* fails only without a context */
	after_switch(to, fake);
}
#else
/* swapcontext() enters a stack for the first time. Later switches need no system call:
 * swapcontext() would set the signal mask, which is the same on both sides. */
static void switch_sides(struct side *from, struct side *to)
{
	from->left = true;
	if (_setjmp(from->place) != 0)
		return;
	if (to->left)
		_longjmp(to->place, 1);
	(void)swapcontext(&from->context, &to->context); /* fails only without a context */
}
#endif

/* The first function on the stack of the work. It never returns. */
static void run_works(unsigned high, unsigned low)
{
	struct hw_slices *slices =
		(struct hw_slices *)(uintptr_t)((uint64_t)high << 32 | (uint64_t)low);
	struct hw_slices_stack *stack = slices->stack;

	after_switch(&stack->owner, NULL);
	for (;;) {
		slices->fn(slices->arg);
		slices->begun = false;
		switch_sides(&stack->work, &stack->owner);
	}
}

/* ---- the stack ---- */

static int init_stack(struct hw_slices_stack *stack)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

	stack->memory_bytes = guard + STACK_BYTES;
	stack->memory = mmap(NULL, stack->memory_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (stack->memory == MAP_FAILED)
		return -1;
	if (mprotect(stack->memory, guard, PROT_NONE) < 0 || getcontext(&stack->work.context) < 0) {
		(void)munmap(stack->memory, stack->memory_bytes); /* cannot fail */
		return -1;
	}
	stack->work.bottom = (char *)stack->memory + guard;
	stack->work.bytes = STACK_BYTES;
	stack->work.context.uc_stack.ss_sp = (char *)stack->memory + guard;
	stack->work.context.uc_stack.ss_size = STACK_BYTES;
	stack->work.context.uc_link = NULL;
#ifdef WITH_TSAN
	stack->work.fiber = __tsan_create_fiber(0);
#endif
	return 0;
}

static void make_stack(struct hw_slices *slices)
{
	struct hw_slices_stack *stack = calloc(1, sizeof(*stack));
	uint64_t at = (uint64_t)(uintptr_t)slices;

	if (!stack)
		return;
	if (init_stack(stack) < 0) {
		free(stack);
		return;
	}
	/* makecontext() passes arguments of type int. */
	makecontext(&stack->work.context, (void (*)(void))run_works, 2, (unsigned)(at >> 32),
		    (unsigned)at);
	slices->stack = stack;
}

void hw_slices_free(struct hw_slices *slices)
{
	struct hw_slices_stack *stack = slices->stack;

	hw_slices_end_thread(slices);
	if (!stack)
		return;
#ifdef WITH_TSAN
	__tsan_destroy_fiber(stack->work.fiber);
#endif
#ifdef WITH_ASAN
	/* The work has not returned. The next stack may be at another place in this memory. */
	__asan_unpoison_memory_region(stack->memory, stack->memory_bytes);
#endif
	(void)munmap(stack->memory, stack->memory_bytes); /* cannot fail */
	free(stack);
	slices->stack = NULL;
}

/* ---- a thread instead of the stack ---- */

int hw_slices_use_thread(struct hw_slices *slices, hw_thread_wake_fn *wake, void *arg)
{
	return slices->thread ? 0 : hw_thread_create(wake, arg, &slices->thread);
}

void hw_slices_end_thread(struct hw_slices *slices)
{
	hw_thread_free(slices->thread);
	slices->thread = NULL;
	slices->begun = false;
}

uint64_t hw_slices_away_since(const struct hw_slices *slices)
{
	return slices->thread && hw_slices_is_resting(slices) ? hw_thread_away_since(slices->thread)
							      : 0;
}

static void run_in_thread(struct hw_slices *slices)
{
	hw_slices_fn *fn = slices->fn;

	slices->fn = NULL; /* begun */
	if (hw_thread_run(slices->thread, fn, slices->arg))
		slices->begun = false;
}

/* ---- works ---- */

static void run_on_stack(struct hw_slices *slices)
{
	struct hw_slices_stack *stack = slices->stack;

#ifdef WITH_TSAN
	stack->owner.fiber = __tsan_get_current_fiber();
#endif
	switch_sides(&stack->owner, &stack->work);
}

/* A thread of its own is measured as a whole, a work on the stack only while it runs. */
static uint64_t cpu_ns(const struct hw_slices *slices)
{
	return slices->thread ? hw_thread_cpu_ns(slices->thread) : (uint64_t)hw_now_cpu_ns();
}

static void add_cpu(struct hw_slices *slices)
{
	uint64_t now = cpu_ns(slices);

	if (now > slices->cpu_from_ns) /* it was another thread before hw_slices_use_thread() */
		slices->cpu_ns += now - slices->cpu_from_ns;
	slices->cpu_from_ns = now;
}

void hw_slices_meter_begin(struct hw_slices *slices)
{
	slices->metered = true;
	slices->cpu_ns = 0;
	slices->cpu_from_ns = cpu_ns(slices);
}

uint64_t hw_slices_meter_end(struct hw_slices *slices)
{
	if (!slices->metered)
		return 0;
	if (slices->running || slices->thread)
		add_cpu(slices);
	slices->metered = false;
	return slices->cpu_ns;
}

static void run_metered(struct hw_slices *slices)
{
	if (slices->metered)
		slices->cpu_from_ns = cpu_ns(slices);
	run_on_stack(slices);
	if (slices->metered)
		add_cpu(slices);
}

static void run_slice(struct hw_slices *slices)
{
	slices->until_ns = now_ns() + SLICE_NS;
	slices->running = true;
	if (slices->thread)
		run_in_thread(slices);
	else
		run_metered(slices);
	slices->running = false;
	if (!slices->begun)
		slices->hurry = false;
}

void hw_slices_begin(struct hw_slices *slices, hw_slices_fn *fn, void *arg)
{
	if (!slices->stack && !slices->thread)
		make_stack(slices);
	if (slices->running || (!slices->stack && !slices->thread)) {
		fn(arg);
		return;
	}
	slices->fn = fn;
	slices->arg = arg;
	slices->begun = true;
	slices->steps = 0;
	slices->check_at = HW_SLICES_SHORT + 1;
	run_slice(slices);
}

void hw_slices_resume(struct hw_slices *slices)
{
	run_slice(slices);
}

/* The owner may finish many works in turn, each of which waits for a filesystem that does not
 * answer: all of them together have little more time than one. */
static uint64_t waited_until_ns;

/* Returns when the patience with this work ends. */
static uint64_t end_of_patience(const struct hw_slices *slices)
{
	uint64_t patience = slices->patience_ns ? slices->patience_ns : PATIENCE_NS;
	uint64_t now = now_ns(), end = now + patience, since = hw_slices_away_since(slices);

	if (since && since + patience < end)
		end = since + patience;
	if (waited_until_ns + PATIENCE_NS > now && now + PATIENCE_MIN_NS < end)
		end = now + PATIENCE_MIN_NS;
	return end;
}

bool hw_slices_finish(struct hw_slices *slices)
{
	if (!hw_slices_is_resting(slices))
		return true;
	slices->hurry = true;
	for (uint64_t end = end_of_patience(slices), now; slices->begun; run_slice(slices)) {
		now = now_ns();
		if (slices->patience_ns)
			end = end_of_patience(slices);
		if (slices->thread && !hw_thread_await(slices->thread, now < end ? end - now : 0)) {
			slices->hurry = false;
			waited_until_ns = now_ns();
			return false;
		}
	}
	return true;
}

void hw_slices_check_time(struct hw_slices *slices)
{
	if (slices->hurry || now_ns() < slices->until_ns)
		return;
	if (slices->thread)
		hw_thread_rest(slices->thread);
	else
		switch_sides(&slices->stack->work, &slices->stack->owner);
}
