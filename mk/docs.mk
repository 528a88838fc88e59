# SPDX-License-Identifier: LGPL-2.1-or-later
# Man pages, and the check that they tell all there is.

man_sources := $(wildcard docs/man/*.scd)
man_pages := $(man_sources:docs/man/%.scd=$(B)/man/%)
scdoc := $(shell command -v scdoc 2>/dev/null)
man_section = $(subst .,,$(suffix $(1)))

CPPFLAGS_docs := $(CPPFLAGS_framework)

$(B)/docs/options: $(call obj,docs/options.c) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)
$(B)/docs/options.tsv: $(B)/docs/options $(modules)
	$(B)/docs/options $(foreach m,$(modules),"$(abspath $(m))") > $@.part
	@mv $@.part $@
$(B)/man/%.scd: docs/man/%.scd docs/expand.awk $(B)/docs/options.tsv
	@mkdir -p $(@D)
	awk -v version=$(VERSION) -v optional=nats -f docs/expand.awk $(B)/docs/options.tsv $< > $@.part
	@mv $@.part $@
$(B)/man/%: $(B)/man/%.scd
	scdoc < $< > $@.part
	@mv $@.part $@

# A page is installed with its program: that of the guest's agent by install-guest.
guest_pages := $(filter %/hostwatch-guest.8,$(man_pages))
host_pages := $(filter-out $(guest_pages),$(man_pages))
define install_pages
@for page in $(notdir $(1)); do \
	install -Dm644 $(B)/man/$$page "$(DESTDIR)$(mandir)/man$${page##*.}/$$page" || exit 1; done
endef

ifneq ($(scdoc),)
man: $(man_pages)
install-man: $(host_pages)
	$(call install_pages,$^)
	ln -sf hostwatch.1 "$(DESTDIR)$(mandir)/man1/hostwatch-git-fsmonitor.1"
install-guest-man: $(guest_pages)
	$(call install_pages,$^)
else
man install-man install-guest-man: no-scdoc
no-scdoc:
	@echo "make: scdoc is not installed, so the man pages are left out; 'make deps' installs it" >&2
endif

#: make check-docs      compare the documentation with the programs, and run every command that it shows
#: make man             build the man pages in build/man/
# The pages are compared with what the programs say themselves.
check-docs: all $(wire_lib) $(B)/docs/options.tsv $(if $(scdoc),man)
	docs/check $(B)
	docs/commands $(B)
	mk/prose $(B)

#: make docs/demo.svg   draw a run of the demonstration, the picture in README.md
docs/demo.svg: docs/demo.awk $(programs) $(modules)
	COLUMNS=80 $(B)/hostwatch demo /tmp > $(B)/demo.txt
	awk -v steps="1 5 9 10 14" -f $< $(B)/demo.txt > $(B)/demo.svg
	@mv $(B)/demo.svg $@

.PHONY: man install-man install-guest-man no-scdoc check-docs
