/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between model.c (replay) and model_disk.c (the truth to compare with). */
#ifndef HW_TESTS_MODEL_PRIVATE_H
#define HW_TESTS_MODEL_PRIVATE_H

#include "model.h"

#include <uthash.h>

/* The data of a file when they were last announced: by its arrival, modify or close_write. */
struct data {
	bool known;
	ino_t ino; /* of the file that had the name at that moment */
	off_t size;
	int64_t mtime_ns;
	uint64_t hash;
};

struct node {
	UT_hash_handle hh; /* among the parent's children, by name */
	struct node *parent; /* borrowed; NULL in the root */
	struct node *children; /* owned */
	struct hw_model_belief belief;
	struct data data;
	bool created; /* it came by create or replaced its name, after which close_write says
			 nothing about data */
	bool modified; /* a change of its data was reported */
	uint8_t type;
	uint32_t name_len;
	char *name; /* owned, terminated */
};

struct hw_model {
	struct node root;
	const char *look; /* borrowed; NULL: does not look */
	uint64_t seq; /* of the last event, 0 before the first */
	uint64_t rescans;
	size_t entries;
};

struct node *hw_model_child(const struct node *dir, const char *name, size_t len);
/* NULL: no memory. */
struct node *hw_model_add(struct hw_model *model, struct node *dir, const char *name, size_t len,
			  uint8_t type);
/* The path of a node as a string the caller frees; NULL: no memory. */
char *hw_model_path(const struct node *node);
/* Takes what the disk says about one entry for its belief; an entry that is not there becomes
 * unknown. */
void hw_model_observe(const struct hw_model *model, struct node *node);
/* The same for all below, and node itself. */
void hw_model_observe_below(const struct hw_model *model, struct node *node);

/* Reads the data of a file, if the model looks and the name has a file. */
void hw_model_read(const struct hw_model *model, struct node *node);
/* After a move: reads those that were not read from this file, since the disk was ahead. */
void hw_model_read_strangers(const struct hw_model *model, struct node *node);

#endif
