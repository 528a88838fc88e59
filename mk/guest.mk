# SPDX-License-Identifier: LGPL-2.1-or-later
# The agent that runs in a guest. STATIC=1: one file that runs in any guest of this architecture.

guest_program := $(B)/hostwatch-guest
sysconfdir ?= /etc
STATIC ?=

CPPFLAGS_guest := -Iguest/include -Iwire/include -Iframework/base

$(B)/guest-static: FORCE
	$(call keep,$(STATIC))
$(agent_lib): $(call obj,$(filter-out %/main.c,$(wildcard guest/agent/*.c)))
$(guest_program): $(call obj,guest/agent/main.c) $(agent_lib) $(base_lib) $(wire_lib) $(B)/guest-static
	$(CC) $(LDFLAGS) $(if $(STATIC),-static) -o $@ $(filter %.o %.a,$^) -linih $(SODIUM_LIBS)

# For inject = replay. A program of its own, since the agent may be a static one; left out without libfuse3.
replay_program := $(if $(FUSE_LIBS),$(B)/hostwatch-guest-replay)
$(B)/obj/guest/replay/%.o: CPPFLAGS_guest += $(FUSE_CFLAGS)
# What programs have seen; needs no libfuse3.
view_src := $(addprefix guest/replay/,view.c own.c negative.c)
$(view_lib): $(call obj,$(view_src))
$(B)/hostwatch-guest-replay: $(call obj,$(filter-out $(view_src),$(wildcard guest/replay/*.c))) $(view_lib) $(base_lib) $(wire_lib)
	$(CC) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) -lpthread

all: $(guest_program) $(replay_program)
$(B)/tests/test_guest_replay: | $(replay_program)

# The tests run the program itself.
$(B)/tests/test_guest_agent $(B)/tests/test_guest_inject $(B)/tests/test_filtered: | $(guest_program)

guest_docdir ?= $(prefix)/share/doc/hostwatch-guest

#: make install-guest   in a guest: install the agent, its man page, systemd unit and OpenRC script
install-guest: $(guest_program) $(replay_program) install-guest-man $(B)/packaging/guest/hostwatch-guest.service $(B)/packaging/guest/hostwatch-guest.initd
	install -Dm755 $(guest_program) "$(DESTDIR)$(sbindir)/hostwatch-guest"
	$(if $(replay_program),install -Dm755 -t "$(DESTDIR)$(prefix)/lib/hostwatch" $(replay_program))
	install -Dm644 $(B)/packaging/guest/hostwatch-guest.service "$(DESTDIR)$(unitdir)/hostwatch-guest.service"
	install -Dm755 $(B)/packaging/guest/hostwatch-guest.initd "$(DESTDIR)$(sysconfdir)/init.d/hostwatch-guest"
	install -Dm644 packaging/guest/guest.conf "$(DESTDIR)$(guest_docdir)/examples/guest.conf"

#: make guest-static     build the agent as one file for any distribution, in build/static (ARCH="amd64 arm64")
ARCH ?= $(shell dpkg --print-architecture)
guest-static:
	@mk/guest-static $(B) $(ARCH)

.PHONY: install-guest guest-static

# The comparison runs in the test itself.
$(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_guest_compare*.c)): $(agent_lib)
$(B)/tests/test_guest_replay_view: $(view_lib)
