/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by model.c (replay), model_disk.c (entries on disk) and model_data.c (data of files). */
#ifndef HW_TESTS_MODEL_PRIVATE_H
#define HW_TESTS_MODEL_PRIVATE_H

#include "model.h"

#include <uthash.h>

/* The data of a file when it was last announced: by its arrival, modify or close_write, or by any
 * event: hw_model_read_always(). */
struct data {
	bool known;
	ino_t ino; /* of the file that had the name at that time */
	off_t size;
	int64_t mtime_ns, ctime_ns;
	uint64_t hash;
};

struct node {
	UT_hash_handle hh; /* in children of the parent, by name */
	struct node *parent; /* borrowed; NULL for the root */
	struct node *children; /* owned */
	struct hw_model_belief belief;
	struct data data;
	bool created; /* it was created or replaced its name; a later close_write does not mean that
		       * its data changed */
	bool modified; /* a change of its data was reported */
	ino_t modified_ino; /* of the file that a receiver found then; 0: none */
	uint8_t type;
	uint32_t name_len;
	char *name; /* owned, NUL-terminated */
};

struct hw_model {
	struct node root;
	const char *look; /* borrowed; NULL: the disk is not read */
	bool read_always; /* every event about a file announces its data */
	uint64_t seq; /* of the last event; 0 before the first */
	uint64_t rescans;
	size_t entries;
};

struct node *hw_model_child(const struct node *dir, const char *name, size_t len);
/* NULL: out of memory. */
struct node *hw_model_add(struct hw_model *model, struct node *dir, const char *name, size_t len,
			  uint8_t type);
/* Returns the path of a node; the caller frees it. NULL: out of memory. */
char *hw_model_path(const struct node *node);
/* Stores the state of one entry on disk as its belief; an entry that does not exist becomes
 * unknown. */
void hw_model_observe(const struct hw_model *model, struct node *node);
/* Calls hw_model_observe() for the node and everything below it. */
void hw_model_observe_below(const struct hw_model *model, struct node *node);

/* Reads the data of a file, if the model reads the disk and the name is a file. */
void hw_model_read(const struct hw_model *model, struct node *node);
/* After a move: reads the files whose data was read from another inode, because the disk was ahead
 * of the events. */
void hw_model_read_strangers(const struct hw_model *model, struct node *node);

#endif
