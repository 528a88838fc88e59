# SPDX-License-Identifier: LGPL-2.1-or-later
# For plugin authors: the conformance kit, the skeletons, the ABI that was released.

kit_program := $(B)/hostwatch-plugin-check
kitdir ?= $(libdir)/hostwatch
examples := watcher-minimal sink-minimal

$(B)/obj/tools/plugin-check/%.o: CPPFLAGS_tools += -I.
$(kit_program): $(call obj,$(wildcard tools/plugin-check/*.c)) $(kit_lib) $(core_lib) $(wire_lib)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS)
# The kit looks for its traces beside itself, built or installed.
$(B)/conformance:
	@ln -sfn "$(abspath tests/conformance)" $@
all: $(kit_program) $(B)/conformance

$(B)/obj/tools/beside.o: CPPFLAGS_tools += -DHW_KITDIR='"$(kitdir)"'
$(B)/obj/tools/beside.o: $(B)/dirs
$(B)/obj/tools/skeleton.o: $(foreach e,$(examples),$(addprefix examples/$(e)/,$(e).c Makefile README.md .gitignore))

# Examples as an author builds them, but against this tree.
$(B)/examples/%.so: examples/% FORCE
	@mkdir -p $(@D)/$* && cp -Rp $</. $(@D)/$*
	@$(MAKE) --no-print-directory -C $(@D)/$* CC='$(CC)' CFLAGS='$(OPTIMIZE) $(WARNINGS) -Werror' \
		HW_CFLAGS='$(foreach d,$(public_headers),-I"$(abspath $(d))")'
	@cmp -s $(@D)/$*/$*.so $@ || { cp $(@D)/$*/$*.so $@.part && mv $@.part $@; }

#: make plugin-check    run the conformance kit on every plugin of this tree (some traces; make conformance runs all)
kit_quick := --rounds 60 --match '0[0456]*'
plugin-check: $(kit_program) $(B)/conformance $(modules) $(examples:%=$(B)/examples/%.so)
	@for p in inotify fanotify polling; do echo "== $$p"; \
		$(kit_program) $(kit_quick) $(B)/plugins/$$p.so || exit 1; done
	@for s in socket virtiofs; do echo "== $$s"; \
		$(kit_program) $(kit_quick) $(B)/sinks/$$s.so || exit 1; done
	@echo "== watcher-minimal"; $(kit_program) $(kit_quick) $(B)/examples/watcher-minimal.so
	@echo "== sink-minimal"; $(kit_program) $(kit_quick) $(B)/examples/sink-minimal.so path=events.txt

.PHONY: plugin-check

# Plugins with flaws that the kit must find.
kit_flawed := $(patsubst tests/kit/%.c,$(B)/tests/kit/%.so,$(wildcard tests/kit/*.c))
$(B)/tests/kit/%.so: $(B)/obj/tests/kit/%.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ $^
tests-built: $(kit_flawed) $(B)/conformance

# The kit with structures that are larger than today's: what a later version is for today's plugins. Its own build has the
# headers before those of this tree.
grown := $(B)/abi/grown
grown_flags := -I$(abspath $(grown))/include -DHW_TESTS_GROWN=6
grown_kit := $(grown)/build/hostwatch-plugin-check
abi_plugins := $(patsubst tests/abi/%.c,%,$(wildcard tests/abi/edge-*.c))
ifndef HW_GROWING
$(grown_kit): FORCE
	@tests/abi/grow $(grown)/include
	@HW_GROWING=1 CPPFLAGS='$(grown_flags)' $(MAKE) --no-print-directory -s B=$(grown)/build OPTIMIZE='-O1 -g' \
		$(grown_kit) $(grown)/build/conformance
$(B)/abi/today/%.so: tests/abi/%.c tests/abi/edge.h $(wildcard framework/include/hostwatch/*.h)
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -fPIC -shared -fvisibility=hidden -Iframework/include -o $@ $<
$(grown)/%.so: tests/abi/%.c tests/abi/edge.h $(grown_kit)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -fPIC -shared -fvisibility=hidden $(grown_flags) -o $@ $<
tests-built: $(grown_kit) $(abi_plugins:%=$(B)/abi/today/%.so) $(abi_plugins:%=$(grown)/%.so)
endif

#: make abi-keep        store the current headers and two plugins as those of their ABI version (only before its release)
abi_dir = tests/abi/$(hw_abi)
abi_machine := $(shell uname -m)
abi-keep:
	@mkdir -p $(abi_dir)/hostwatch $(abi_dir)/$(abi_machine) $(B)
	cp framework/include/hostwatch/plugin.h framework/include/hostwatch/event.h $(abi_dir)/hostwatch/
	$(CC) -std=c11 -I$(abi_dir) -o $(B)/layout tests/abi/layout.c
	$(B)/layout > $(abi_dir)/layout.txt
	for p in $(abi_plugins); do $(CC) -std=c11 -D_GNU_SOURCE -Os -s -fPIC -shared -fvisibility=hidden -I$(abi_dir) \
		-Wl,--build-id=none -o $(abi_dir)/$(abi_machine)/$$p.so tests/abi/$$p.c || exit 1; done

#: make install-sdk     install headers, libhostwatch-wire.a, the conformance kit and its traces
install-sdk: $(kit_program) $(wire_lib)
	install -d $(DESTDIR)$(includedir)/hostwatch $(DESTDIR)$(libdir) $(DESTDIR)$(kitdir)/conformance
	install -m644 $(wildcard $(public_headers:%=%/hostwatch/*.h)) $(DESTDIR)$(includedir)/hostwatch
	install -m644 $(wire_lib) $(DESTDIR)$(libdir)
	install -m755 $(kit_program) $(DESTDIR)$(kitdir)
	install -m644 tests/conformance/*.trace $(DESTDIR)$(kitdir)/conformance

.PHONY: abi-keep install-sdk
