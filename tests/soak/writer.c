/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that works in a share until it is paused. */
#include "soak.h"

#include "tests/common/scratch.h"
#include "tests/common/scribble.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Pauses have numbers: the answer to an earlier one does not count. */
struct soak_writer {
	atomic_uint pause, paused; /* 0: it works */
	atomic_bool stop;
	unsigned pauses; /* of the process that checks */
	pid_t pid;
};

static void rest(long ns)
{
	const struct timespec time = { .tv_nsec = ns };

	(void)nanosleep(&time, NULL);
}

static void work(struct soak_writer *writer, int base, unsigned flags, uint64_t random)
{
	unsigned hurry = 0;

	while (base >= 0 && !atomic_load(&writer->stop)) {
		unsigned pause = atomic_load(&writer->pause);

		atomic_store(&writer->paused, pause);
		if (pause) {
			rest(1000000);
			continue;
		}
		hw_scribble(base, flags, &random);
		if (hurry)
			hurry--;
		else if (hw_pick(&random, 500) == 0)
			hurry = hw_pick(&random, 1000);
		else
			rest(4000000);
	}
	_exit(base < 0);
}

void soak_writer_start(struct soak_share *share, uint64_t seed)
{
	struct soak_writer *writer = mmap(NULL, sizeof(*writer), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(writer != MAP_FAILED);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid) {
		writer->pid = pid;
		share->writer = writer;
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	work(writer, open(share->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	     seed % 2 ? HW_SCRIBBLE_LINKS : HW_SCRIBBLE_OUTSIDE, seed);
}

void soak_writer_pause(struct soak_share *share)
{
	int64_t until = hw_clock_monotonic_ns() + SOAK_DEADLINE_NS;
	unsigned pause = ++share->writer->pauses;

	atomic_store(&share->writer->pause, pause);
	while (atomic_load(&share->writer->paused) != pause) {
		assert_true(hw_clock_monotonic_ns() < until);
		rest(1000000);
	}
}

void soak_writer_resume(struct soak_share *share)
{
	atomic_store(&share->writer->pause, 0);
}

void soak_writer_end(struct soak_share *share)
{
	int status;

	atomic_store(&share->writer->stop, true);
	assert_int_equal(waitpid(share->writer->pid, &status, 0), share->writer->pid);
	assert_int_equal(status, 0);
	(void)munmap(share->writer, sizeof(*share->writer));
}
