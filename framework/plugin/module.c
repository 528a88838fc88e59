/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module.h"
#include "log.h"
#include "option.h"
#include "sized.h"
#include "trusted.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to `drain`, the last member of the first release. No valid struct is smaller. */
#define PLUGIN_SIZE_MIN ((uint32_t)(offsetof(struct hw_plugin, drain) + sizeof(void *)))
#define PLUGIN_SIZE_MAX 65536u
#define OPTION_BYTES HW_SIZE_THROUGH(hw_option, flags)
#define OPTIONS_MAX 256u
#define INSTANCE_SIZE_MAX (1u << 20)
#define NAME_MAX_BYTES 31u
#define SEGMENTS_MAX 64u
#define QUOTED_MAX 512u
#define DESCRIPTOR_PATH_MAX 160u

const char *hw_plugin_kind_name(uint32_t kind)
{
	return kind == HW_PLUGIN_SINK ? "sink" : "watcher";
}

__attribute__((format(printf, 4, 5))) static int refuse(struct hw_errors *errors, const char *path,
							int error, const char *format, ...)
{
	char quoted[QUOTED_MAX], text[HW_OPTION_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	hw_errors_add(errors, "%s: %s", hw_quote(quoted, sizeof(quoted), path, strlen(path)), text);
	return error;
}

/* ---- the file ---- */

static int read_exactly(int fd, void *buf, size_t size, uint64_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, buf, size, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)size ? 0 : -ENOEXEC;
}

/* dlopen() maps the segments of a truncated file without an error, and accessing the missing part
 * raises SIGBUS. */
static int check_segments(int fd, uint64_t file_size)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segments[SEGMENTS_MAX];

	if (read_exactly(fd, &header, sizeof(header), 0) < 0)
		return -ENOEXEC;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN ||
	    header.e_phentsize != sizeof(segments[0]) || header.e_phnum > SEGMENTS_MAX)
		return -ENOEXEC;
	if (read_exactly(fd, segments, sizeof(segments[0]) * header.e_phnum, header.e_phoff) < 0)
		return -ENOEXEC;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		uint64_t end;

		if (segments[i].p_type != PT_LOAD)
			continue;
		if (__builtin_add_overflow((uint64_t)segments[i].p_offset,
					   (uint64_t)segments[i].p_filesz, &end) ||
		    end > file_size)
			return -ENOEXEC;
	}
	return 0;
}

static int check_file(int fd, const char *path, struct hw_errors *errors)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return refuse(errors, path, -errno, "%s", strerror(errno));
	if (check_segments(fd, (uint64_t)st.st_size) < 0)
		return refuse(errors, path, -ENOEXEC, "not a shared object, or truncated");
	return 0;
}

/* ---- its header ---- */

static bool name_is_sound(const char *name)
{
	size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

	return len > 0 && len <= NAME_MAX_BYTES && name[len] == '\0';
}

static int refuse_newer(const struct hw_plugin *plugin, const char *path, struct hw_errors *errors)
{
	return refuse(errors, path, -ENOEXEC,
		      "built for the newer ABI %u.%u, but this is ABI %u.%u; update hostwatch",
		      plugin->abi_major, plugin->abi_minor, HW_ABI_MAJOR, HW_ABI_MINOR);
}

/* symbol_size is the size in the ELF symbol: bytes after it must not be read. */
static int check_stamp(const struct hw_plugin *plugin, size_t symbol_size, const char *path,
		       struct hw_errors *errors)
{
	const size_t known = sizeof(*plugin);

	if (symbol_size < offsetof(struct hw_plugin, kind) || plugin->magic != HW_PLUGIN_MAGIC)
		return refuse(errors, path, -ENOEXEC, "symbol %s is not a plugin header",
			      HW_PLUGIN_SYMBOL);
	if (plugin->abi_major != HW_ABI_MAJOR)
		return refuse(errors, path, -ENOEXEC,
			      "built for plugin ABI %u, but this is ABI %u; rebuild the plugin",
			      plugin->abi_major, HW_ABI_MAJOR);
	if (plugin->struct_size < PLUGIN_SIZE_MIN || plugin->struct_size > PLUGIN_SIZE_MAX ||
	    plugin->struct_size > symbol_size)
		return refuse(errors, path, -ENOEXEC, "invalid header size of %u bytes",
			      plugin->struct_size);
	for (size_t i = known; i < plugin->struct_size; i++)
		if (((const char *)plugin)[i])
			return refuse_newer(plugin, path, errors);
	return 0;
}

/* ---- its options ---- */

static int copy_option(const struct hw_option *option, size_t index, const char *path,
		       struct hw_errors *errors, struct hw_module *module)
{
	struct hw_option *copy = &module->options[index];

	if (!option || !hw_sized_is_valid(option, OPTION_BYTES))
		return refuse(errors, path, -EINVAL,
			      "option %zu is missing, or its struct_size is not set", index);
	if (!hw_sized_rest_is_zero(option, sizeof(*copy)))
		return refuse_newer(&module->plugin, path, errors);
	hw_sized_read(copy, sizeof(*copy), option);
	module->table[index] = copy;
	return 0;
}

static int copy_options(const char *path, struct hw_errors *errors, struct hw_module *module)
{
	struct hw_plugin *plugin = &module->plugin;
	const struct hw_option *const *options = plugin->options;
	int r = 0;

	if (plugin->option_count > OPTIONS_MAX || (plugin->option_count && !options))
		return refuse(errors, path, -EINVAL, "invalid option table of %u options",
			      plugin->option_count);
	module->options = calloc(plugin->option_count + 1, sizeof(*module->options));
	module->table = calloc(plugin->option_count + 1, sizeof(*module->table));
	if (!module->options || !module->table)
		return -ENOMEM;
	for (uint32_t i = 0; i < plugin->option_count && r == 0; i++)
		r = copy_option(options[i], i, path, errors, module);
	plugin->options = module->table;
	return r;
}

static int check_header(const struct hw_plugin *plugin, const char *path, struct hw_errors *errors)
{
	const struct hw_option_table table = { plugin->options, plugin->option_count };
	char why[HW_OPTION_TEXT_MAX];

	if (plugin->kind != HW_PLUGIN_WATCHER && plugin->kind != HW_PLUGIN_SINK)
		return refuse(errors, path, -EINVAL, "neither a watcher nor a sink");
	if (plugin->flags & ~(HW_PLUGIN_ORDERED | HW_PLUGIN_SCANS))
		return refuse(errors, path, -EINVAL, "unknown flags in the header");
	if (!name_is_sound(plugin->name))
		return refuse(errors, path, -EINVAL,
			      "invalid plugin name; expected 1 to 31 of [a-z0-9-]");
	if (!plugin->version || !plugin->summary)
		return refuse(errors, path, -EINVAL, "no version or no summary in the header");
	if (plugin->instance_size == 0 || plugin->instance_size > INSTANCE_SIZE_MAX)
		return refuse(errors, path, -EINVAL, "instance_size is %u; expected 1 to %u",
			      plugin->instance_size, INSTANCE_SIZE_MAX);
	if (plugin->kind == HW_PLUGIN_WATCHER && (!plugin->watch_dir || !plugin->forget_dir))
		return refuse(errors, path, -EINVAL, "a watcher needs watch_dir and forget_dir");
	if (plugin->kind == HW_PLUGIN_SINK && !plugin->ready)
		return refuse(errors, path, -EINVAL, "a sink needs ready");
	if (hw_option_check_table(&table, plugin->instance_size, why) < 0)
		return refuse(errors, path, -EINVAL, "%s", why);
	return 0;
}

/* ---- callbacks that were left out ---- */

static int no_open(void *self, const struct hw_host *host, void *ctx)
{
	(void)self, (void)host, (void)ctx;
	return 0;
}

static int return_0(void *self)
{
	(void)self;
	return 0;
}

static void do_nothing(void *self)
{
	(void)self;
}

static int no_probe(void *self, int dirfd)
{
	(void)self, (void)dirfd;
	return 0;
}

static void no_scanned(void *self, const struct hw_scan_result *result)
{
	(void)self, (void)result;
}

static void no_stats(void *self, struct hw_watcher_stats *ret)
{
	(void)self, (void)ret;
}

static void no_cost(void *self, int dirfd, struct hw_watcher_cost *cost)
{
	(void)self, (void)dirfd, (void)cost;
}

#define FILL(field, fn) (plugin->field = plugin->field ? plugin->field : (fn))

static void fill_callbacks(struct hw_plugin *plugin)
{
	FILL(open, no_open);
	FILL(start, return_0);
	FILL(stop, do_nothing);
	FILL(close, do_nothing);
	FILL(probe, no_probe);
	FILL(flush, return_0);
	FILL(scanned, no_scanned);
	FILL(stats, no_stats);
	FILL(status, do_nothing);
	FILL(drain, return_0);
	FILL(cost, no_cost);
}

/* ---- loading ---- */

/*
 * Writes a path of the descriptor that no object was loaded by before: dlopen(3) returns an object
 * that has the same path, but the numbers of descriptors are reused. Each binary digit of a serial
 * number becomes a component that has no effect.
 */
static void name_descriptor(int fd, char path[DESCRIPTOR_PATH_MAX])
{
	static unsigned serial; /* loop thread only */
	int len = snprintf(path, DESCRIPTOR_PATH_MAX, "/proc/self/fd");

	for (unsigned rest = ++serial; rest; rest >>= 1)
		len += snprintf(path + len, DESCRIPTOR_PATH_MAX - (size_t)len, "%s",
				rest & 1 ? "/." : "//.");
	(void)snprintf(path + len, DESCRIPTOR_PATH_MAX - (size_t)len, "/%d", fd); /* fits */
}

/* Loads the file that was checked, whatever has its path now. */
static void *load(int fd, const char *path, struct hw_errors *errors)
{
	char name[DESCRIPTOR_PATH_MAX];
	const char *why;
	void *handle;

	name_descriptor(fd, name);
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (handle)
		return handle;
	why = dlerror();
	if (strncmp(why, name, strlen(name)) == 0 && strncmp(why + strlen(name), ": ", 2) == 0)
		why += strlen(name) + 2;
	(void)refuse(errors, path, -ENOEXEC, "%s", why);
	return NULL;
}

static int copy_plugin(int fd, const char *path, struct hw_errors *errors, struct hw_module *module)
{
	struct hw_plugin *ret = &module->plugin;
	const struct hw_plugin *plugin;
	const ElfW(Sym) *symbol = NULL;
	void *handle, *extra = NULL;
	Dl_info info;
	int r;

	handle = load(fd, path, errors);
	if (!handle)
		return -ENOEXEC;
	plugin = dlsym(handle, HW_PLUGIN_SYMBOL);
	if (!plugin)
		return refuse(errors, path, -ENOEXEC, "not a hostwatch plugin: no symbol %s",
			      HW_PLUGIN_SYMBOL);
	if (!dladdr1(plugin, &info, &extra, RTLD_DL_SYMENT) || !extra)
		return refuse(errors, path, -ENOEXEC, "symbol %s has no size", HW_PLUGIN_SYMBOL);
	symbol = extra;
	r = check_stamp(plugin, symbol->st_size, path, errors);
	if (r < 0)
		return r;
	memcpy(ret, plugin,
	       plugin->struct_size < sizeof(*ret) ? plugin->struct_size : sizeof(*ret));
	r = copy_options(path, errors, module);
	if (r == 0)
		r = check_header(ret, path, errors);
	if (r == 0)
		fill_callbacks(ret);
	return r;
}

int hw_module_load(const char *path, struct hw_errors *errors, struct hw_module **ret)
{
	struct hw_module *module = calloc(1, sizeof(*module));
	struct hw_trusted file;
	int r;

	if (!module)
		return -ENOMEM;
	r = hw_trusted_open(path, &file);
	if (r < 0) {
		(void)refuse(errors, file.at ? file.at : path, r, "%s", file.why);
	} else {
		module->path = file.path;
		file.path = NULL;
		r = check_file(file.fd, module->path, errors);
		if (r == 0)
			r = copy_plugin(file.fd, module->path, errors, module);
	}
	hw_trusted_free(&file);
	if (r < 0) {
		hw_module_free(module);
		return r;
	}
	*ret = module;
	return 0;
}

void hw_module_free(struct hw_module *module)
{
	if (!module)
		return;
	free(module->table);
	free(module->options);
	free(module->path);
	free(module);
}
