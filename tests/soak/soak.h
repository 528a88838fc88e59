/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parts of the soak: a host is a daemon with one share for each watcher, random writers, and
 * subscribers that read at once, late and never.
 */
#ifndef HW_TESTS_SOAK_H
#define HW_TESTS_SOAK_H

#include "tests/common/model.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SOAK_PATH 512u
#define SOAK_SHARES 3u
#define SOAK_READERS 3u /* of each share; the last one reads at barriers only */
#define SOAK_STUCK 8u /* of each host */
#define SOAK_DEADLINE_NS (180 * INT64_C(1000000000))

enum soak_fault {
	SOAK_KILL,
	SOAK_STOP,
	SOAK_RELOAD,
	SOAK_SWITCH,
	SOAK_OVERFLOW,
	SOAK_MOUNT,
	SOAK_FULL,
	SOAK_DISCONNECT,
	SOAK_STUCK_READER,
	SOAK_FAULTS,
};

struct soak_counts {
	uint64_t events, barriers, compared;
	uint64_t faults[SOAK_FAULTS];
	uint64_t overflows; /* as the daemon counts them */
	uint64_t rescans; /* of receivers that fell behind a small journal */
	uint64_t epochs; /* that began because the state was not kept on a full disk */
};

/* ---- subscribers ---- */

struct soak_reader {
	const struct soak_host *host; /* borrowed */
	struct soak_share *share; /* borrowed */
	int fd; /* owned; -1: not connected */
	struct hw_model *told; /* owned */
	uint64_t epoch, seq;
	bool starts; /* the model waits for the end of the snapshot */
	bool lost; /* a rescan was reported: it needs a snapshot */
	uint64_t asked, synced; /* numbers of barriers */
	char *bytes; /* owned: lines that were received */
	size_t len, room;
};

struct soak_writer; /* shared with its process */

struct soak_share {
	const char *name, *watcher; /* static */
	bool small; /* receivers may fall behind its journal */
	char base[SOAK_PATH], root[SOAK_PATH], mount[SOAK_PATH];
	bool mounted;
	struct soak_writer *writer;
	struct soak_reader readers[SOAK_READERS];
};

struct soak_host {
	char *dir; /* owned */
	bool lasts; /* its daemon is never killed */
	pid_t daemon;
	char conf[SOAK_PATH], control[SOAK_PATH], socket[SOAK_PATH], log[SOAK_PATH];
	unsigned interval_ms;
	struct soak_share shares[SOAK_SHARES];
	int stuck[SOAK_STUCK]; /* owned; -1: none */
	bool full; /* one of its state directories is full */
	bool weak; /* its state was perhaps not kept since the last barrier */
	uint64_t barrier;
	uint64_t *random; /* borrowed */
	struct soak_counts *counts; /* borrowed */
	unsigned first_kb, last_kb, first_fds, last_fds; /* largest of the first third; now */
};

void soak_reader_init(struct soak_reader *reader, const struct soak_host *host,
		      struct soak_share *share);
void soak_reader_end(struct soak_reader *reader);
/* Connects again, reads what is there, and applies it; waits at most this long. */
void soak_reader_pump(struct soak_reader *reader, int timeout_ms);
/* Continues until all changes made before the call are applied. */
void soak_reader_sync(struct soak_reader *reader, uint64_t barrier);
void soak_reader_disconnect(struct soak_reader *reader);
/* Connects, and subscribes to everything. Returns -1 if no daemon is there. */
int soak_connect(const char *path, const char *request);

/* ---- writers ---- */

void soak_writer_start(struct soak_share *share, uint64_t seed);
/* Waits until no operation is in progress. */
void soak_writer_pause(struct soak_share *share);
void soak_writer_resume(struct soak_share *share);
void soak_writer_end(struct soak_share *share);

/* ---- the daemon ---- */

void soak_host_init(struct soak_host *host, const char *place);
void soak_host_end(struct soak_host *host);
void soak_daemon_start(struct soak_host *host);
void soak_daemon_end(struct soak_host *host, int signal);
void soak_write_config(const struct soak_host *host);
/* Runs `hostwatch COMMAND --socket CONTROL A B`. Returns its output; the caller frees it. */
char *soak_command(const struct soak_host *host, const char *command, const char *a, const char *b);
/* Memory without the journals; descriptors. */
void soak_measure(const struct soak_host *host, unsigned *ret_kb, unsigned *ret_fds);

/* ---- faults ---- */

extern const char *const soak_fault_names[SOAK_FAULTS];
void soak_inject(struct soak_host *host);
/* A barrier: the models of all subscribers equal the disk. first: the run is in its first third. */
void soak_check(struct soak_host *host, bool first);

#endif
