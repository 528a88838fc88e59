# SPDX-License-Identifier: LGPL-2.1-or-later
# Completions for bash and zsh, from the tables of options in the programs.

completion_programs := hostwatch hostwatchd hostwatch-guest
completions := $(foreach p,$(completion_programs),$(B)/completions/bash/$(p) $(B)/completions/zsh/_$(p))
completion_prefix = _$(subst -,_,$(notdir $(1)))

$(B)/completions/%.tsv: $(B)/%
	@mkdir -p $(@D)
	$< --print-argument-table > $@.part
	@mv $@.part $@
$(B)/completions/bash/%: $(B)/completions/%.tsv mk/completions/prelude.bash mk/completions/bash.awk
	@mkdir -p $(@D)
	sed 's/_hostwatch/$(call completion_prefix,$@)/g' mk/completions/prelude.bash > $@.part
	awk -v prefix=$(call completion_prefix,$@) -f mk/completions/bash.awk $< >> $@.part
	@mv $@.part $@
$(B)/completions/zsh/_%: $(B)/completions/%.tsv mk/completions/zsh.awk
	@mkdir -p $(@D)
	awk -f mk/completions/zsh.awk $< > $@.part
	@mv $@.part $@

completions: $(completions)
all: completions

install-completions: completions
	install -d "$(DESTDIR)$(bashcompletiondir)" "$(DESTDIR)$(zshcompletiondir)"
	install -m644 $(B)/completions/bash/hostwatch $(B)/completions/bash/hostwatchd "$(DESTDIR)$(bashcompletiondir)"
	install -m644 $(B)/completions/zsh/_hostwatch $(B)/completions/zsh/_hostwatchd "$(DESTDIR)$(zshcompletiondir)"
install-guest-completions: completions
	install -d "$(DESTDIR)$(bashcompletiondir)" "$(DESTDIR)$(zshcompletiondir)"
	install -m644 $(B)/completions/bash/hostwatch-guest "$(DESTDIR)$(bashcompletiondir)"
	install -m644 $(B)/completions/zsh/_hostwatch-guest "$(DESTDIR)$(zshcompletiondir)"
install: install-completions
install-guest: install-guest-completions

.PHONY: completions install-completions install-guest-completions
