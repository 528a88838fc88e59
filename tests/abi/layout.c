/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints what of <hostwatch/plugin.h> and <hostwatch/event.h> is in the binaries of plugins:
 * offsets and sizes of every member, and the numbers. Says so when a member was forgotten here. */
#include <hostwatch/plugin.h>

#include <stddef.h>
#include <stdio.h>

static size_t end;
static int missing;

static size_t up(size_t value, size_t alignment)
{
	return (value + alignment - 1) / alignment * alignment;
}

static void member(const char *name, size_t offset, size_t size, size_t alignment)
{
	if (offset != up(end, alignment)) {
		missing = 1;
		fprintf(stderr, "before %s stands a member that is not listed\n", name);
	}
	printf("\t%s %zu %zu\n", name, offset, size);
	end = offset + size;
}

static void begin(const char *name)
{
	printf("%s\n", name);
	end = 0;
}

static void finish(const char *name, size_t size, size_t alignment)
{
	if (size != up(end, alignment)) {
		missing = 1;
		fprintf(stderr, "%s ends with members that are not listed\n", name);
	}
}

#define BEGIN(type) begin(#type)
#define M(type, field)                                                                             \
	member(#field, offsetof(struct type, field), sizeof(((struct type *)0)->field),            \
	       _Alignof(__typeof__(((struct type *)0)->field)))
#define END(type) finish(#type, sizeof(struct type), _Alignof(struct type))
#define N(number) printf("%s %#llx\n", #number, (unsigned long long)(number))

static void print_event(void)
{
	BEGIN(hw_event);
	M(hw_event, struct_size);
	M(hw_event, kind);
	M(hw_event, type);
	M(hw_event, flags);
	M(hw_event, seq);
	M(hw_event, time_ns);
	M(hw_event, path);
	M(hw_event, from);
	M(hw_event, path_len);
	M(hw_event, from_len);
	END(hw_event);
}

static void print_option(void)
{
	BEGIN(hw_option);
	M(hw_option, struct_size);
	M(hw_option, type);
	M(hw_option, key);
	M(hw_option, value);
	M(hw_option, choices);
	M(hw_option, help);
	M(hw_option, min);
	M(hw_option, max);
	M(hw_option, offset);
	M(hw_option, flags);
	END(hw_option);
}

static void print_watcher_structs(void)
{
	BEGIN(hw_hint);
	M(hw_hint, struct_size);
	M(hw_hint, what);
	M(hw_hint, dir);
	M(hw_hint, to_dir);
	M(hw_hint, name);
	M(hw_hint, to_name);
	M(hw_hint, name_len);
	M(hw_hint, to_name_len);
	M(hw_hint, type);
	M(hw_hint, pid);
	M(hw_hint, handle);
	M(hw_hint, handle_len);
	M(hw_hint, handle_type);
	END(hw_hint);
	BEGIN(hw_location);
	M(hw_location, struct_size);
	M(hw_location, name_len);
	M(hw_location, dir);
	M(hw_location, name);
	END(hw_location);
	BEGIN(hw_watcher_stats);
	M(hw_watcher_stats, struct_size);
	M(hw_watcher_stats, reserved);
	M(hw_watcher_stats, watches);
	M(hw_watcher_stats, kernel_events);
	M(hw_watcher_stats, overflows);
	END(hw_watcher_stats);
	BEGIN(hw_scan_result);
	M(hw_scan_result, struct_size);
	M(hw_scan_result, reserved);
	M(hw_scan_result, entries);
	M(hw_scan_result, changes);
	M(hw_scan_result, elapsed_ns);
	M(hw_scan_result, cpu_ns);
	END(hw_scan_result);
	BEGIN(hw_found_share);
	M(hw_found_share, struct_size);
	M(hw_found_share, share);
	M(hw_found_share, root_len);
	M(hw_found_share, may_hang);
	END(hw_found_share);
	BEGIN(hw_queue_position);
	M(hw_queue_position, struct_size);
	M(hw_queue_position, flags);
	M(hw_queue_position, handed);
	M(hw_queue_position, queued);
	END(hw_queue_position);
	BEGIN(hw_watcher_cost);
	M(hw_watcher_cost, struct_size);
	M(hw_watcher_cost, reserved);
	M(hw_watcher_cost, scan_ns);
	M(hw_watcher_cost, per_filesystem);
	M(hw_watcher_cost, per_directory);
	M(hw_watcher_cost, objects);
	M(hw_watcher_cost, limit);
	M(hw_watcher_cost, limit_name);
	M(hw_watcher_cost, fdinfo);
	M(hw_watcher_cost, period_ns);
	M(hw_watcher_cost, idle_period_ns);
	M(hw_watcher_cost, cpu_ns);
	END(hw_watcher_cost);
}

static void print_sink_structs(void)
{
	BEGIN(hw_share_info);
	M(hw_share_info, struct_size);
	M(hw_share_info, state);
	M(hw_share_info, name);
	M(hw_share_info, epoch);
	M(hw_share_info, seq);
	END(hw_share_info);
	BEGIN(hw_receiver);
	M(hw_receiver, struct_size);
	M(hw_receiver, reserved);
	M(hw_receiver, name);
	M(hw_receiver, share);
	M(hw_receiver, seq);
	M(hw_receiver, dropped);
	M(hw_receiver, lost);
	END(hw_receiver);
	BEGIN(hw_sink_address);
	M(hw_sink_address, struct_size);
	M(hw_sink_address, reserved);
	M(hw_sink_address, option);
	M(hw_sink_address, address);
	M(hw_sink_address, state);
	END(hw_sink_address);
}

static void print_host(void)
{
	BEGIN(hw_host);
	M(hw_host, struct_size);
	M(hw_host, abi_major);
	M(hw_host, abi_minor);
	M(hw_host, log);
	M(hw_host, fail);
	M(hw_host, fail_option);
	M(hw_host, now_ns);
	M(hw_host, io_add);
	M(hw_host, io_set);
	M(hw_host, io_del);
	M(hw_host, timer_add);
	M(hw_host, timer_set);
	M(hw_host, timer_del);
	M(hw_host, hint);
	M(hw_host, lost);
	M(hw_host, scan);
	M(hw_host, locate);
	M(hw_host, share_count);
	M(hw_host, share_info);
	M(hw_host, cursor_open);
	M(hw_host, cursor_next);
	M(hw_host, cursor_done);
	M(hw_host, cursor_seek);
	M(hw_host, cursor_close);
	M(hw_host, snapshot_open);
	M(hw_host, snapshot_next);
	M(hw_host, snapshot_close);
	M(hw_host, receiver);
	M(hw_host, activation_fd);
	M(hw_host, address);
	M(hw_host, runtime_dir);
	M(hw_host, lock);
	M(hw_host, sync);
	M(hw_host, find_share);
	M(hw_host, count_after);
	END(hw_host);
}

static void print_plugin(void)
{
	BEGIN(hw_plugin);
	M(hw_plugin, magic);
	M(hw_plugin, struct_size);
	M(hw_plugin, abi_major);
	M(hw_plugin, abi_minor);
	M(hw_plugin, kind);
	M(hw_plugin, flags);
	M(hw_plugin, instance_size);
	M(hw_plugin, option_count);
	M(hw_plugin, capabilities);
	M(hw_plugin, name);
	M(hw_plugin, version);
	M(hw_plugin, summary);
	M(hw_plugin, options);
	M(hw_plugin, open);
	M(hw_plugin, start);
	M(hw_plugin, stop);
	M(hw_plugin, close);
	M(hw_plugin, probe);
	M(hw_plugin, watch_dir);
	M(hw_plugin, forget_dir);
	M(hw_plugin, flush);
	M(hw_plugin, scanned);
	M(hw_plugin, stats);
	M(hw_plugin, ready);
	M(hw_plugin, status);
	M(hw_plugin, drain);
	M(hw_plugin, cost);
	M(hw_plugin, position);
	M(hw_plugin, synced);
	END(hw_plugin);
}

static void print_numbers(void)
{
	printf("numbers\n");
	N(HW_PLUGIN_MAGIC), N(HW_ABI_MAJOR);
	N(HW_PLUGIN_WATCHER), N(HW_PLUGIN_SINK), N(HW_PLUGIN_ORDERED), N(HW_PLUGIN_SCANS);
	N(HW_OPTION_BOOL), N(HW_OPTION_NUMBER), N(HW_OPTION_DURATION), N(HW_OPTION_SIZE);
	N(HW_OPTION_STRING), N(HW_OPTION_ENUM), N(HW_OPTION_LIST), N(HW_OPTION_REQUIRED);
	N(HW_OPTION_SHARE), N(HW_OPTION_ADDRESS);
	N(HW_NO_DIR), N(HW_HINT_CREATED), N(HW_HINT_DELETED), N(HW_HINT_MODIFIED);
	N(HW_HINT_ATTRIB), N(HW_HINT_CLOSE_WRITE), N(HW_HINT_MOVED), N(HW_HINT_GONE);
	N(HW_HINT_LOOK), N(HW_HINT_BRIEF);
	N(HW_SHARE_ARMING), N(HW_SHARE_ONLINE), N(HW_SHARE_OFFLINE);
	N(HW_LOG_ERROR), N(HW_LOG_WARNING), N(HW_LOG_INFO), N(HW_LOG_DEBUG);
	N(HW_IO_READ), N(HW_IO_WRITE), N(HW_IO_HANGUP);
	N(HW_CREATE), N(HW_DELETE), N(HW_MOVE), N(HW_MODIFY), N(HW_ATTRIB);
	N(HW_CLOSE_WRITE), N(HW_RESCAN);
	N(HW_TYPE_NONE), N(HW_TYPE_FILE), N(HW_TYPE_DIR), N(HW_TYPE_SYMLINK), N(HW_TYPE_OTHER);
	N(HW_FLAG_REPLACED), N(HW_FLAG_EXCHANGE), N(HW_PATH_MAX);
}

int main(void)
{
	print_event();
	print_option();
	print_watcher_structs();
	print_sink_structs();
	print_host();
	print_plugin();
	print_numbers();
	return missing;
}
