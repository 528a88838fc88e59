# SPDX-License-Identifier: LGPL-2.1-or-later
# What packagers fill in: paths of this installation.

pkgconfigdir ?= $(libdir)/pkgconfig
docdir ?= $(prefix)/share/doc/hostwatch
sysusersdir ?= $(prefix)/lib/sysusers.d

packaging_files := $(patsubst packaging/%.in,$(B)/packaging/%,$(wildcard packaging/*.in))
hw_abi = $(shell awk '/define HW_ABI_MAJOR/ { major = $$3 } /define HW_ABI_MINOR/ { print major "." $$3 }' \
	framework/include/hostwatch/plugin.h)

# Always made anew: the paths come from the command line.
$(B)/packaging/%: packaging/%.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
		-e 's|@sbindir@|$(sbindir)|' -e 's|@plugindir@|$(plugindir)|' -e 's|@sinkdir@|$(sinkdir)|' \
		-e 's|@abi@|$(hw_abi)|' -e 's|@version@|$(VERSION)|' $< > $@.part && mv $@.part $@

packaging: $(packaging_files)
#: make install-packaging   install the pkg-config file, systemd units and example configurations
install-packaging: packaging
	install -d $(DESTDIR)$(pkgconfigdir) $(DESTDIR)$(unitdir) $(DESTDIR)$(docdir)/examples
	install -m644 $(B)/packaging/hostwatch.pc $(DESTDIR)$(pkgconfigdir)
	install -m644 $(B)/packaging/hostwatchd.service $(B)/packaging/hostwatchd.socket $(DESTDIR)$(unitdir)
	install -Dm644 packaging/hostwatch.sysusers $(DESTDIR)$(sysusersdir)/hostwatch.conf
	install -m644 examples/*.conf $(DESTDIR)$(docdir)/examples

.PHONY: packaging install-packaging FORCE
