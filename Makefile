# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch: `make` builds, `make run` shows, `make test` proves, `make install` installs. `make help` lists the rest.

.DEFAULT_GOAL := all
VERSION := 0.1.0
B ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
prefix ?= /usr/local
bindir ?= $(prefix)/bin
sbindir ?= $(prefix)/sbin
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
mandir ?= $(prefix)/share/man
plugindir ?= $(libdir)/hostwatch/plugins
sinkdir ?= $(libdir)/hostwatch/sinks
unitdir ?= $(prefix)/lib/systemd/system

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
OPTIMIZE ?= -O2 -g
SANITIZE ?=
WERROR ?=
# Static probes, if sys/sdt.h is installed. PROBES=no: none.
PROBES ?= yes
CPPFLAGS += -D_GNU_SOURCE -Iframework/include -DHW_VERSION='"$(VERSION)"' $(if $(filter no,$(PROBES)),-DHW_NO_PROBES)
CFLAGS += -std=c11 $(OPTIMIZE) $(WARNINGS) $(WERROR) $(SANITIZE) -fPIC -fvisibility=hidden -fstack-protector-strong
LDFLAGS += $(SANITIZE) -Wl,-z,relro,-z,now
DEPFLAGS = -MMD -MP
# No binary contains the path of the sources. $(B)/flags has this unexpanded: a copy of the tree needs no rebuild.
MAPFLAGS = '-ffile-prefix-map=$(CURDIR)=.'

# What pkg-config says is kept; goals that begin with installing packages ask for it in a make of their own.
PKGS := libuv inih libnl-3.0 libsodium libcap-ng libxxhash
self_reliant := run test deps% deb rpm guest-static kmod% dkms% clean help
ifneq ($(filter-out $(self_reliant),$(or $(MAKECMDGOALS),all)),)
include $(B)/pkg.mk
endif
$(B)/pkg.mk: Makefile
	@pkg-config --print-errors --exists $(PKGS) || { echo "libraries are missing; run: make deps" >&2; exit 1; }
	@mkdir -p $(B)
	@{ echo "PKG_CFLAGS := $$(pkg-config --cflags $(PKGS))"; \
	echo "CORE_LIBS := $$(pkg-config --libs libuv inih libcap-ng libxxhash) -ldl -lpthread"; \
	echo "SODIUM_LIBS := $$(pkg-config --libs libsodium)"; \
	echo "WIRE_LIBS := $$(pkg-config --libs libnl-3.0 libsodium)"; \
	echo "FUSE_CFLAGS := $$(pkg-config --cflags fuse3 2>/dev/null)"; \
	echo "FUSE_LIBS := $$(pkg-config --libs fuse3 2>/dev/null)"; \
	echo "NATS_LIBS := $$(pkg-config --libs libnats 2>/dev/null)"; } > $@.new && mv $@.new $@
CPPFLAGS += $(PKG_CFLAGS)

# --- what is built from what: folders are the architecture, wildcards follow them ------------------
rooms := base tree state share plugin config daemon
core_src := $(filter-out framework/daemon/main.c,$(wildcard $(rooms:%=framework/%/*.c)))
wire_src := $(wildcard wire/*.c)
tool_src := $(filter-out tools/main.c,$(wildcard tools/*.c)) tools/plugin-check/arguments.c
# The conformance kit is a program that people build: it has what it needs of the tests, without cmocka.
kit_src := $(filter-out tests/conformance/run.c tests/conformance/host.c,$(wildcard tests/common/*.c tests/conformance/*.c))
test_src := tests/conformance/host.c $(wildcard tests/unit/support/*.c)
plugins := $(filter-out common,$(patsubst plugins/%/,%,$(wildcard plugins/*/)))
sinks := $(filter-out $(if $(NATS_LIBS),,nats),$(patsubst sinks/%/,%,$(wildcard sinks/*/)))
unit_tests := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

core_lib := $(B)/libhostwatch-core.a
base_lib := $(B)/libhostwatch-base.a
wire_lib := $(B)/libhostwatch-wire.a
plugin_lib := $(B)/libhostwatch-plugin.a
nats_lib := $(B)/libhostwatch-nats.a
agent_lib := $(B)/libhostwatch-agent.a
view_lib := $(B)/libhostwatch-view.a
tool_lib := $(B)/libhostwatch-tools.a
kit_lib := $(B)/libhostwatch-kit.a
test_lib := $(B)/libhostwatch-tests.a
programs := $(B)/hostwatchd $(B)/hostwatch $(B)/hostwatch-git-fsmonitor
# Only if libnats is installed; `hostwatch tail nats:` runs it.
nats_reader := $(if $(NATS_LIBS),$(B)/hostwatch-nats-tail)
modules := $(plugins:%=$(B)/plugins/%.so) $(sinks:%=$(B)/sinks/%.so)

#: make                 build programs, plugins and sinks in build/ (B=DIR: in DIR)
all: $(programs) $(modules) $(nats_reader)

# A file for each set of words that objects depend on: it changes when they do. WERROR changes no object.
keep = @mkdir -p $(B); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' > $@
$(B)/flags: FORCE
	$(call keep,$(CC) $(CPPFLAGS) $(filter-out $(WERROR),$(CFLAGS)) $(value MAPFLAGS))
$(B)/dirs: FORCE
	$(call keep,$(plugindir) $(sinkdir))

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CPPFLAGS_$(firstword $(subst /, ,$*))) $(CFLAGS) $(MAPFLAGS) $(DEPFLAGS) -c -o $@ $<

# The only object that knows where things are installed.
CPPFLAGS_framework := -Iwire/include $(rooms:%=-Iframework/%)
$(B)/obj/framework/plugin/loader.o: CPPFLAGS_framework += -DHW_PLUGINDIR='"$(plugindir)"' -DHW_SINKDIR='"$(sinkdir)"'
$(B)/obj/framework/plugin/loader.o: $(B)/dirs

# Each folder finds the headers that it may use: plugins those of plugins only, sinks also those of wire/.
public_headers := framework/include wire/include guest/include
CPPFLAGS_wire := -Iwire/include
CPPFLAGS_sinks := -Iwire/include
# Tools and tests are in-tree users of the core.
CPPFLAGS_tools := -Iwire/include $(CPPFLAGS_framework)
CPPFLAGS_tests := -Itests/include $(public_headers:%=-I%) $(CPPFLAGS_framework) -I. -DHW_BUILD_DIR='"$(abspath $(B))"'

# Static libraries: a program or plugin gets what it uses of them. The agent in a guest needs base and wire only.
$(core_lib): $(call obj,$(core_src))
$(base_lib): $(call obj,$(wildcard framework/base/*.c))
$(wire_lib): $(call obj,$(wire_src))
$(plugin_lib): $(call obj,$(wildcard plugins/common/*.c))
$(tool_lib): $(call obj,$(tool_src))
$(kit_lib): $(call obj,$(kit_src))
$(test_lib): $(call obj,$(test_src))
# $(call archives,PREREQUISITES): the libraries of a program, in any order.
archives = -Wl,--start-group $(filter %.a,$(1)) -Wl,--end-group
$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(B)/hostwatchd: $(call obj,framework/daemon/main.c) $(core_lib) $(wire_lib)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $^ $(CORE_LIBS)
$(B)/hostwatch: $(call obj,tools/main.c) $(tool_lib) $(core_lib) $(wire_lib)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS)
$(nats_lib): $(call obj,$(wildcard sinks/nats/*.c))
$(B)/hostwatch-nats-tail: $(call obj,$(wildcard tools/nats/*.c)) $(nats_lib) $(wire_lib)
	$(CC) $(LDFLAGS) -o $@ $^ $(NATS_LIBS)

# The hook of git is a name of the same program.
$(B)/hostwatch-git-fsmonitor: $(B)/hostwatch
	@ln -sf hostwatch $@

define plugin_rule
$(B)/plugins/$(1).so: $(call obj,$(wildcard plugins/$(1)/*.c)) $(plugin_lib)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -shared $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) -o $$@ $$^
endef
define sink_rule
$(B)/sinks/$(1).so: $(call obj,$(wildcard sinks/$(1)/*.c)) $(wire_lib)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -shared $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) -o $$@ $$^ $$(or $$(LIBS_$(1)),$$(SODIUM_LIBS))
endef
LIBS_socket = $(WIRE_LIBS)
# Threads of libnats may end after the sink: its code stays mapped.
LIBS_nats = $(NATS_LIBS) -lpthread -Wl,-z,nodelete
comma := ,
$(foreach p,$(plugins),$(eval $(call plugin_rule,$(p))))
$(foreach s,$(sinks),$(eval $(call sink_rule,$(s))))

-include $(wildcard mk/*.mk)

# --- tests --------------------------------------------------------------------------------------------
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(test_lib) $(kit_lib) $(tool_lib) $(plugin_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call archives,$^) $(CORE_LIBS) $(WIRE_LIBS) -lcmocka -ljansson
unit: $(unit_tests:%=$(B)/tests/%) $(modules)
	@for t in $(unit_tests); do echo "== $$t"; $(B)/tests/$$t || exit 1; done

clean:
	rm -rf $(B)

help:
	@sed -n 's/^#: //p' Makefile mk/*.mk

.PHONY: all unit clean help FORCE
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
