# SPDX-License-Identifier: LGPL-2.1-or-later
# `make install`, into DESTDIR and prefix; other fragments install what they build.

# Used by install-completions and install-guest-completions.
bashcompletiondir ?= $(prefix)/share/bash-completion/completions
zshcompletiondir ?= $(prefix)/share/zsh/site-functions

# The same as are built, and each into its place.
install-programs: $(programs) $(modules) $(nats_reader)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(plugindir) $(DESTDIR)$(sinkdir)
	install -m755 $(B)/hostwatch $(DESTDIR)$(bindir)
	ln -sf hostwatch $(DESTDIR)$(bindir)/hostwatch-git-fsmonitor
	install -m755 $(B)/hostwatchd $(DESTDIR)$(sbindir)
	install -m755 $(plugins:%=$(B)/plugins/%.so) $(DESTDIR)$(plugindir)
	$(if $(nats_reader),install -Dm755 -t $(DESTDIR)$(kitdir) $(nats_reader))
	install -m755 $(sinks:%=$(B)/sinks/%.so) $(DESTDIR)$(sinkdir)

#: make install         install programs, plugins, headers, man pages, completions and units (DESTDIR, prefix); not the guest's agent
install: install-programs install-sdk install-packaging install-man

# Removes the files that the target $(remove) would install, and directories of our name that are empty then.
#: make uninstall, uninstall-guest   remove the installed files
uninstall: remove = install
uninstall-guest: remove = install-guest
uninstall uninstall-guest:
	@rm -rf $(B)/installed
	@$(MAKE) --no-print-directory -s $(remove) DESTDIR=$(B)/installed
	@cd $(B)/installed && find . ! -type d | while IFS= read -r f; do rm -f "$(abspath $(DESTDIR)/)/$$f"; done
	@cd $(B)/installed && find . -depth -type d -path '*hostwatch*' | while IFS= read -r d; do \
		[ ! -d "$(abspath $(DESTDIR)/)/$$d" ] || rmdir --ignore-fail-on-non-empty "$(abspath $(DESTDIR)/)/$$d"; done
	@rm -rf $(B)/installed

.PHONY: install install-programs uninstall uninstall-guest
