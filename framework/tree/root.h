/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of a share's root, and the trust in it. Symbolic links in the configured path are
 * followed once. After that, the root is searched for by the path that they resolved to, one
 * directory after the other, and accepted only if nobody but trusted users can have replaced one of
 * these directories by something more private: hostwatchd(8), THREAT MODEL, has the rules. Loop
 * thread only.
 */
#ifndef HW_ROOT_H
#define HW_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HW_ROOT_LINKS_MAX 40u /* symbolic links followed in one path, as in the kernel */

/* A directory, as far as its replacement can be recognised. */
struct hw_root_dir {
	uint64_t ino, mount; /* mount: STATX_MNT_ID, 0: unknown */
	int64_t btime_ns; /* 0: unknown */
	dev_t dev;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	uint32_t nlink;
};

/* One directory of the path. The first one is "/". */
struct hw_root_step {
	size_t name, end; /* where its name begins and ends in the path */
	bool magic; /* a link of procfs to an open directory: its text is not a path */
	struct hw_root_dir dir;
};

struct hw_root_path {
	char *path; /* owned: absolute, without symbolic links; NULL: not resolved yet */
	struct hw_root_step *steps; /* owned */
	struct hw_root_dir *now; /* owned: as found by the last walk */
	size_t count;
	bool linked; /* symbolic links were followed */
	bool fuse; /* the root was on a FUSE filesystem when it was resolved */
	char refusal[800]; /* why the last call refused what is there, with the remedy; "": it did
			    * not */
};

/*
 * Resolves the path, following symbolic links, and opens its directory. Returns an O_PATH
 * descriptor, which the caller owns; -ENOENT, -ENOTDIR, -EACCES, -ELOOP; or -EPERM with a refusal:
 * a link belongs neither to root, nor to the user of this process, nor to the owner of the
 * directory. On success, replaces an earlier result.
 */
int hw_root_resolve(struct hw_root_path *root, const char *path);
void hw_root_free(struct hw_root_path *root);

/* Called with each directory of the path, "/" first, and the number of those that follow. fd:
 * O_PATH, borrowed. A negative result ends the walk. */
typedef int hw_root_visit_fn(void *arg, int fd, size_t below);
/* Walks the resolved path. Returns 0, -errno, or the result of fn. */
int hw_root_visit(struct hw_root_path *root, hw_root_visit_fn *fn, void *arg);
/* Returns whether a user who is not trusted can replace the directory that is visited, so that its
 * last mode decides what is accepted in its place. Only for hw_root_visit_fn. */
bool hw_root_is_exposed(const struct hw_root_path *root, size_t below);
/* Returns the name of the last directory of the path, valid until the path is resolved again. */
const char *hw_root_name(const struct hw_root_path *root);

/* Returns 1 if the directory of this descriptor is still at the resolved path; 0 if it is not, with
 * a refusal if a symbolic link is there; -errno if that is unknown. */
int hw_root_is_at(struct hw_root_path *root, int held);

/* Opens the directory at the resolved path, which may be another one than before. Returns an O_PATH
 * descriptor, which the caller owns; -EPERM with a refusal; -ENOENT and the like. */
int hw_root_return(struct hw_root_path *root);

#endif
