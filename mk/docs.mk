# SPDX-License-Identifier: LGPL-2.1-or-later
# Man pages, and the check that they tell all there is.

man_sources := $(wildcard docs/man/*.scd)
man_pages := $(man_sources:docs/man/%.scd=$(B)/man/%)
scdoc := $(shell command -v scdoc 2>/dev/null)
man_section = $(subst .,,$(suffix $(1)))

CPPFLAGS_docs := $(CPPFLAGS_framework)

$(B)/docs/options: $(call obj,docs/options.c) $(core_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)
$(B)/docs/options.tsv: $(B)/docs/options $(modules)
	$(B)/docs/options $(abspath $(modules)) > $@.part
	@mv $@.part $@
$(B)/man/%.scd: docs/man/%.scd docs/expand.awk $(B)/docs/options.tsv
	@mkdir -p $(@D)
	awk -v version=$(VERSION) -f docs/expand.awk $(B)/docs/options.tsv $< > $@.part
	@mv $@.part $@
$(B)/man/%: $(B)/man/%.scd
	scdoc < $< > $@.part
	@mv $@.part $@

ifneq ($(scdoc),)
man: $(man_pages)
install-man: man
	@for page in $(notdir $(man_pages)); do \
		install -Dm644 $(B)/man/$$page "$(DESTDIR)$(mandir)/man$${page##*.}/$$page" || exit 1; done
else
man install-man:
	@echo "man pages are left out: scdoc is missing (apt-get install scdoc)"
endif

#: make check-docs, man   the manual against the programs; the pages into build/man/
# The pages are compared with what the programs say themselves.
check-docs: $(programs) $(modules) $(B)/docs/options.tsv $(if $(scdoc),man)
	docs/check $(B)

.PHONY: man install-man check-docs
