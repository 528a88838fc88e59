/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the shared object and its header: it exports one symbol, needs none of the host's, and its
 * tables are valid. */
#include "kit.h"
#include "log.h"
#include "tap.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((off_t)1 << 30)
#define QUOTED_MAX 300u
#define NAME_SHOWN 64u

/* The file in memory. Every offset in it is untrusted. */
struct image {
	const char *bytes;
	size_t size;
};

static const void *at(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

/* Returns whether it was built for the processor of this program, which the program's own ELF
 * header shows. */
static bool is_for_this_machine(const ElfW(Ehdr) * header)
{
	extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

	return header->e_ident[EI_CLASS] == __ehdr_start.e_ident[EI_CLASS] &&
	       header->e_ident[EI_DATA] == __ehdr_start.e_ident[EI_DATA] &&
	       header->e_machine == __ehdr_start.e_machine;
}

/* The table of dynamic symbols and its strings. */
struct table {
	struct image symbols, strings;
};

static const ElfW(Shdr) *
	section_at(const struct image *image, const ElfW(Ehdr) * header, uint64_t index)
{
	if (index >= header->e_shnum || header->e_shentsize != sizeof(ElfW(Shdr)))
		return NULL;
	return at(image, header->e_shoff + index * sizeof(ElfW(Shdr)), sizeof(ElfW(Shdr)));
}

static int get_section(const struct image *image, const ElfW(Shdr) * section, struct image *ret)
{
	const char *bytes = section ? at(image, section->sh_offset, section->sh_size) : NULL;

	if (!bytes)
		return -ENOEXEC;
	*ret = (struct image){ bytes, section->sh_size };
	return 0;
}

static int find_table(const struct image *image, struct table *ret)
{
	const ElfW(Ehdr) *header = at(image, 0, sizeof(*header));
	const ElfW(Shdr) * section;

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (!is_for_this_machine(header))
		return -EXDEV;
	for (uint64_t i = 0; i < header->e_shnum; i++) {
		section = section_at(image, header, i);
		if (!section)
			return -ENOEXEC;
		if (section->sh_type != SHT_DYNSYM)
			continue;
		if (get_section(image, section, &ret->symbols) < 0)
			return -ENOEXEC;
		section = section_at(image, header, section->sh_link);
		return get_section(image, section, &ret->strings);
	}
	return -ENOENT;
}

static const char *name_of(const struct table *table, const ElfW(Sym) * symbol)
{
	const char *name = at(&table->strings, symbol->st_name, 1);
	size_t left = table->strings.size - symbol->st_name;

	return name && memchr(name, '\0', left) ? name : NULL;
}

/* Returns whether this is a symbol that a sanitizer adds to each global. */
static bool is_of_compiler(const char *name)
{
	return !strncmp(name, "__odr_asan", strlen("__odr_asan"));
}

static bool judge_symbol(const ElfW(Sym) * symbol, const char *name)
{
	unsigned bind = ELF64_ST_BIND(symbol->st_info); /* the same in both classes */
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	char quoted[QUOTED_MAX];

	(void)hw_quote(quoted, sizeof(quoted), name, strnlen(name, NAME_SHOWN));
	if (bind == STB_LOCAL || is_of_compiler(name))
		return true;
	if (symbol->st_shndx == SHN_UNDEF) {
		if (strncmp(name, "hw_", 3) != 0)
			return true;
		printf("it needs %s, and the host offers no symbols: link with -Wl,-z,defs\n",
		       quoted);
		return false;
	}
	if (visibility == STV_HIDDEN || visibility == STV_INTERNAL ||
	    !strcmp(name, HW_PLUGIN_SYMBOL))
		return true;
	printf("it exports %s: compile with -fvisibility=hidden\n", quoted);
	return false;
}

static enum hw_kit_verdict judge_table(const struct table *table)
{
	const ElfW(Sym) * symbol;
	enum hw_kit_verdict verdict = HW_KIT_PASS;
	bool found = false;

	for (uint64_t i = 0; (symbol = at(&table->symbols, i * sizeof(*symbol), sizeof(*symbol)));
	     i++) {
		const char *name = name_of(table, symbol);

		if (!name)
			return hw_kit_fail("its dynamic symbol table is damaged");
		if (!judge_symbol(symbol, name))
			verdict = HW_KIT_FAIL;
		found = found ||
			(symbol->st_shndx != SHN_UNDEF && !strcmp(name, HW_PLUGIN_SYMBOL) &&
			 ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT);
	}
	if (!found)
		return hw_kit_fail("it does not export the object %s", HW_PLUGIN_SYMBOL);
	return verdict;
}

static int map_file(const char *path, struct image *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st = { 0 };
	void *bytes = MAP_FAILED;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size ||
	    st.st_size > FILE_MAX_BYTES)
		errno = ENOEXEC;
	else
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	int error = errno;
	(void)close(fd); /* read only */
	if (bytes == MAP_FAILED)
		return -error;
	*ret = (struct image){ bytes, (size_t)st.st_size };
	return 0;
}

static enum hw_kit_verdict check_symbols(struct hw_kit *kit, const void *arg)
{
	struct image image = { 0 };
	struct table table = { 0 };
	int r = map_file(kit->path, &image);

	(void)arg;
	if (r < 0)
		return hw_kit_fail("it cannot be read: %s", strerror(-r));
	r = find_table(&image, &table);
	if (r < 0)
		return hw_kit_fail(r == -ENOENT  ? "it has no dynamic symbols"
				   : r == -EXDEV ? "it was built for another processor"
						 : "it is not a shared object");
	return judge_table(&table);
}

static enum hw_kit_verdict check_header(struct hw_kit *kit, const void *arg)
{
	struct hw_errors errors = { 0 };
	struct hw_module *module;
	int r = hw_module_load(kit->path, &errors, &module);

	(void)arg;
	hw_errors_print(&errors, stdout);
	hw_errors_free(&errors);
	if (r < 0)
		return HW_KIT_FAIL;
	hw_module_free(module);
	return HW_KIT_PASS;
}

void hw_check_symbols(struct hw_kit *kit)
{
	(void)hw_tap_run(kit, "exports " HW_PLUGIN_SYMBOL " and nothing else", check_symbols, NULL);
	/* The object may crash when loaded, so it is first loaded in another process. */
	if (hw_tap_run(kit, "header and option tables are sound", check_header, NULL) ==
	    HW_KIT_PASS)
		(void)hw_module_load(kit->path, NULL, &kit->module); /* NULL: errors were reported
								      * above */
}
