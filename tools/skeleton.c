/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "skeleton.h"

/* The assembler includes the bytes of a file between two symbols; paths are relative to the source
 * tree. */
#define EMBED(symbol, path)                                                                        \
	extern const char symbol[], symbol##_end[];                                                \
	__asm__(".pushsection .rodata\n"                                                           \
		".hidden " #symbol "\n"                                                            \
		".hidden " #symbol "_end\n"                                                        \
		".globl " #symbol "\n"                                                             \
		".globl " #symbol "_end\n" #symbol ":\n"                                           \
		".incbin \"" path "\"\n" #symbol "_end:\n"                                         \
		".byte 0\n"                                                                        \
		".popsection\n")

EMBED(watcher_source, "examples/watcher-minimal/watcher-minimal.c");
EMBED(watcher_makefile, "examples/watcher-minimal/Makefile");
EMBED(watcher_readme, "examples/watcher-minimal/README.md");
EMBED(watcher_ignore, "examples/watcher-minimal/.gitignore");
EMBED(sink_source, "examples/sink-minimal/sink-minimal.c");
EMBED(sink_makefile, "examples/sink-minimal/Makefile");
EMBED(sink_readme, "examples/sink-minimal/README.md");
EMBED(sink_ignore, "examples/sink-minimal/.gitignore");

static const struct hw_skeleton_file watcher_files[] = {
	{ NULL, watcher_source, watcher_source_end },
	{ "Makefile", watcher_makefile, watcher_makefile_end },
	{ "README.md", watcher_readme, watcher_readme_end },
	{ ".gitignore", watcher_ignore, watcher_ignore_end },
};
static const struct hw_skeleton_file sink_files[] = {
	{ NULL, sink_source, sink_source_end },
	{ "Makefile", sink_makefile, sink_makefile_end },
	{ "README.md", sink_readme, sink_readme_end },
	{ ".gitignore", sink_ignore, sink_ignore_end },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct hw_skeleton hw_skeletons[] = {
	{ "watcher", "watcher-minimal", watcher_files, COUNT(watcher_files) },
	{ "sink", "sink-minimal", sink_files, COUNT(sink_files) },
};
const size_t hw_skeleton_count = COUNT(hw_skeletons);
