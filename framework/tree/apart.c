/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "apart.h"

#include "cross.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(250000000) /* with each call; less than that of hw_slices_finish() */

struct hw_apart {
	uint64_t id; /* STATX_MNT_ID */
	char *path; /* owned: absolute, resolved */
	struct hw_apart_ask *silent; /* borrowed: the call that has not returned; NULL: none */
};

/* A call on another thread. */
struct hw_apart_ask {
	struct hw_apart_ask *next;
	struct hw_thread *thread; /* owned while it has not returned */
	const struct hw_apart_act *act; /* static */
	int fd; /* owned by the thread: a duplicate, or AT_FDCWD */
	bool ended; /* the call has returned */
	bool left; /* the share has continued */
	char path[PATH_MAX];
	_Alignas(16) char data[];
};

static _Thread_local struct hw_aparts *current; /* NULL: this thread makes all calls itself */
static unsigned silent_calls; /* of this process. Loop and shares, in turn */
static struct hw_aparts orphans; /* calls whose share was removed. Loop only */

void hw_aparts_use(struct hw_aparts *aparts)
{
	if (hw_away_is_possible())
		current = aparts;
}

bool hw_apart_any(void)
{
	return current && current->count;
}

/* ---- which mount ---- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Without a request to its server. */
static uint64_t mount_of(int fd)
{
	struct statx stx;
	int r;

	hw_away_begin(); /* 9p sends one nevertheless */
	r = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx);
	hw_away_end();
	return r < 0 || !(stx.stx_mask & STATX_MNT_ID) ? 0 : stx.stx_mnt_id;
}

/* Returns whether a path may lead to the mount: it is long, or ends like that of the mount. */
static bool may_lead(const struct hw_apart *apart, const char *path)
{
	return strchr(path, '/') || strcmp(strrchr(apart->path, '/') + 1, path) == 0;
}

static bool read_link(const char *link, char to[PATH_MAX])
{
	ssize_t len = readlink(link, to, PATH_MAX - 1);

	if (len < 0)
		return false;
	to[len] = '\0';
	return true;
}

/* Makes a path absolute, by asking the kernel only. */
static bool find_path(int fd, const char *path, char full[PATH_MAX])
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	size_t len;

	if (strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0)
		return read_link(path, full);
	if (path[0] == '/')
		return snprintf(full, PATH_MAX, "%s", path) < PATH_MAX;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!read_link(link, full))
		return false;
	len = strlen(full);
	return snprintf(full + len, PATH_MAX - len, "/%s", path) < (int)(PATH_MAX - len);
}

static struct hw_apart *find(const struct hw_aparts *aparts, int fd, const char *path)
{
	uint64_t id = fd < 0 ? 0 : mount_of(fd);
	struct hw_apart *end = aparts->list + aparts->count;
	char full[PATH_MAX];
	bool may = false;

	for (struct hw_apart *apart = aparts->list; apart < end; apart++) {
		if (id && apart->id == id)
			return apart;
		may |= path && may_lead(apart, path);
	}
	if (!may || !find_path(fd, path, full))
		return NULL;
	for (struct hw_apart *apart = aparts->list; apart < end; apart++)
		if (is_below(full, apart->path))
			return apart;
	return NULL;
}

/* ---- a call ---- */

static void run(void *arg)
{
	struct hw_apart_ask *ask = arg;

	hw_away_begin();
	ask->act->fn(ask->fd, ask->path, ask->data);
	if (ask->fd >= 0)
		(void)close(ask->fd); /* a duplicate */
	hw_away_end();
	if (ask->left && ask->act->drop)
		ask->act->drop(ask->data);
}

static struct hw_apart_ask *make_ask(int fd, const char *path, const struct hw_apart_act *act,
				     const void *data)
{
	struct hw_apart_ask *ask = calloc(1, sizeof(*ask) + act->size);

	if (!ask)
		return NULL;
	ask->act = act;
	ask->fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && ask->fd < 0) {
		free(ask); /* keeps errno */
		return NULL;
	}
	(void)snprintf(ask->path, sizeof(ask->path), "%s", path ? path : ""); /* shorter */
	memcpy(ask->data, data, act->size);
	return ask;
}

/* Does not return if the share is removed meanwhile: hw_aparts_free(). */
static void make_call(struct hw_apart_ask *ask)
{
	hw_away_begin();
	ask->ended = hw_thread_run(ask->thread, run, ask);
	while (!ask->ended && hw_thread_await(ask->thread, PATIENCE_NS))
		ask->ended = hw_thread_run(ask->thread, NULL, NULL);
	hw_away_end();
}

static void leave(struct hw_aparts *aparts, struct hw_apart_ask *ask)
{
	ask->left = true;
	ask->next = aparts->silent;
	aparts->silent = ask;
	silent_calls++;
}

static int ask(struct hw_aparts *aparts, struct hw_apart *apart, struct hw_apart_ask *ask,
	       void *data)
{
	ask->thread = aparts->spare;
	aparts->spare = NULL;
	aparts->asked = ask;
	make_call(ask);
	aparts->asked = NULL;
	if (!ask->ended) {
		leave(aparts, ask);
		apart->silent = ask;
		return -ETIMEDOUT;
	}
	aparts->spare = ask->thread;
	memcpy(data, ask->data, ask->act->size);
	free(ask);
	return 0;
}

static int ask_apart(struct hw_apart *apart, int fd, const char *path,
		     const struct hw_apart_act *act, void *data)
{
	struct hw_apart_ask *call = NULL;
	int r = -ETIMEDOUT;

	/* The next iteration makes a thread if the last one is still in use. */
	if (!apart->silent && current->spare) {
		call = make_ask(fd, path, act, data);
		r = -errno;
	}
	if (call)
		return ask(current, apart, call, data);
	if (act->drop)
		act->drop(data);
	return r;
}

int hw_apart_call(int fd, const char *path, const struct hw_apart_act *act, void *data)
{
	struct hw_apart *apart = NULL;
	int r = 0;

	if (hw_apart_any()) {
		unsigned depth = hw_away_enter();

		apart = find(current, fd, path);
		if (apart)
			r = ask_apart(apart, fd, path, act, data);
		hw_away_leave(depth);
	}
	if (!apart) {
		hw_away_begin();
		act->fn(fd, path ? path : "", data);
		hw_away_end();
	}
	return r;
}

/* ---- calls ---- */

struct statx_data {
	int flags;
	unsigned mask;
	int r;
	struct statx stx;
};

static void call_statx(int fd, const char *path, void *arg)
{
	struct statx_data *data = arg;

	data->r = statx(fd, path, data->flags, data->mask, &data->stx) < 0 ? -errno : 0;
}

/* Not inline: most shares have no such mounts, and should not prepare for the call. */
static __attribute__((noinline)) int ask_statx(int fd, const char *path, int flags, unsigned mask,
					       struct statx *ret)
{
	static const struct hw_apart_act act = { call_statx, NULL, sizeof(struct statx_data) };
	struct statx_data data = { .flags = flags, .mask = mask };
	int r = hw_apart_call(fd, path, &act, &data);

	*ret = data.stx;
	return r < 0 ? r : data.r;
}

int hw_apart_statx(int fd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r;

	if (hw_cross_is_guarded())
		return statx(fd, path, flags | AT_STATX_DONT_SYNC, mask, ret) < 0 ? -errno : 0;
	if (hw_apart_any())
		return ask_statx(fd, path, flags, mask, ret);
	hw_away_begin();
	r = statx(fd, path, flags, mask, ret) < 0 ? -errno : 0;
	hw_away_end();
	return r;
}

static void call_statfs(int fd, const char *path, void *arg)
{
	struct statfs st;
	int64_t *type = arg;

	(void)path;
	*type = fstatfs(fd, &st) < 0 ? -errno : (int64_t)(uint32_t)st.f_type;
}

int64_t hw_apart_type(int fd)
{
	static const struct hw_apart_act act = { call_statfs, NULL, sizeof(int64_t) };
	int64_t type = 0;
	int r = hw_apart_call(fd, NULL, &act, &type);

	return r < 0 ? r : type;
}

struct open_data {
	int flags;
	int fd; /* or -errno */
};

static void call_open(int fd, const char *path, void *arg)
{
	struct open_data *data = arg;

	data->fd = openat(fd, path, data->flags | O_CLOEXEC);
	if (data->fd < 0)
		data->fd = -errno;
}

static void drop_open(void *arg)
{
	const struct open_data *data = arg;

	if (data->fd >= 0)
		(void)close(data->fd);
}

int hw_apart_openat(int fd, const char *path, int flags)
{
	static const struct hw_apart_act act = { call_open, drop_open, sizeof(struct open_data) };
	struct open_data data = { .flags = flags, .fd = -1 };
	int r = hw_apart_call(fd, path, &act, &data);

	return r < 0 ? r : data.fd;
}

/* ---- the list ---- */

static void free_list(struct hw_apart *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

int hw_aparts_add(struct hw_aparts *aparts, uint64_t mount_id, const char *path)
{
	struct hw_apart *list =
		reallocarray(aparts->list, aparts->count + 1, sizeof(*aparts->list));
	char *copy = strdup(path);

	if (list)
		aparts->list = list;
	if (!list || !copy) {
		free(copy);
		return -ENOMEM;
	}
	list[aparts->count++] = (struct hw_apart){ .id = mount_id, .path = copy };
	return 0;
}

static struct hw_apart_ask *silent_call_of(const struct hw_aparts *aparts,
					   const struct hw_apart *apart)
{
	for (uint32_t i = 0; i < aparts->count; i++)
		if (aparts->list[i].id == apart->id &&
		    strcmp(aparts->list[i].path, apart->path) == 0)
			return aparts->list[i].silent;
	return NULL;
}

void hw_aparts_replace(struct hw_aparts *aparts, struct hw_aparts *now)
{
	for (uint32_t i = 0; i < now->count; i++)
		now->list[i].silent = silent_call_of(aparts, &now->list[i]);
	free_list(aparts->list, aparts->count);
	aparts->list = now->list;
	aparts->count = now->count;
}

uint64_t hw_aparts_silent_since(const struct hw_aparts *aparts, const char **ret_path)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < aparts->count; i++) {
		const struct hw_apart *apart = &aparts->list[i];
		uint64_t since = apart->silent ? hw_thread_away_since(apart->silent->thread) : 0;

		if (since && (!first || since < first)) {
			first = since;
			*ret_path = apart->path;
		}
	}
	return first;
}

/* ---- the threads ---- */

/* It sees at its next call that another one has returned. */
static void wake(void *arg)
{
	(void)arg;
}

static void forget(struct hw_aparts *aparts, const struct hw_apart_ask *ask)
{
	for (uint32_t i = 0; i < aparts->count; i++)
		if (aparts->list[i].silent == ask)
			aparts->list[i].silent = NULL;
	silent_calls--;
}

static void end_calls(struct hw_aparts *aparts)
{
	struct hw_apart_ask **link = &aparts->silent, *ask;

	while ((ask = *link)) {
		if (hw_thread_away_since(ask->thread) || !hw_thread_run(ask->thread, NULL, NULL)) {
			link = &ask->next;
			continue;
		}
		*link = ask->next;
		forget(aparts, ask);
		hw_thread_free(ask->thread);
		free(ask);
	}
}

void hw_aparts_turn(struct hw_aparts *aparts, bool has_thread)
{
	end_calls(aparts);
	end_calls(&orphans);
	if (has_thread == (aparts->spare != NULL))
		return;
	hw_thread_free(aparts->spare);
	aparts->spare = NULL;
	/* If this fails, nothing is known about these mounts until it succeeds. */
	if (has_thread)
		(void)hw_thread_create(wake, NULL, &aparts->spare);
}

/* The share was removed while it waited for this call. */
static void take_asked(struct hw_aparts *aparts)
{
	struct hw_apart_ask *ask = aparts->asked;

	if (!ask->ended) {
		leave(aparts, ask);
		return;
	}
	if (ask->act->drop)
		ask->act->drop(ask->data);
	hw_thread_free(ask->thread);
	free(ask);
}

static void make_orphans(struct hw_aparts *aparts)
{
	struct hw_apart_ask **end = &orphans.silent;

	while (*end)
		end = &(*end)->next;
	*end = aparts->silent;
}

void hw_aparts_free(struct hw_aparts *aparts)
{
	if (aparts->asked)
		take_asked(aparts);
	end_calls(aparts);
	end_calls(&orphans);
	make_orphans(aparts);
	hw_thread_free(aparts->spare);
	free_list(aparts->list, aparts->count);
	*aparts = (struct hw_aparts){ 0 };
}

bool hw_aparts_are_silent(void)
{
	return silent_calls;
}
