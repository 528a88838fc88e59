# SPDX-License-Identifier: LGPL-2.1-or-later
# `make test`: what tests need is installed, all of it is built, tests/run runs it.

test_programs := $(unit_tests:%=$(B)/tests/%) $(conformance_program) $(differential_program) $(bursts_program) $(stress_programs) \
	$(hostile_programs) $(B)/tests/fuse-endless $(B)/tests/filtered
demo_plugins := $(patsubst tests/demo/%.c,$(B)/tests/demo/%.so,$(wildcard tests/demo/*.c))

$(B)/obj/tests/demo/%.o: CPPFLAGS_tests := -DHW_DEAF_NAME='"inotify"'
$(B)/tests/demo/%.so: $(B)/obj/tests/demo/%.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ $^

$(B)/tests/fuse-endless: $(B)/obj/tests/fuse/endless.o $(B)/obj/tests/fuse/silent.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

# Runs a program under the filter of system calls that a unit describes; it knows each call by its name.
$(B)/obj/tests/confined/system_calls.h:
	@mkdir -p $(@D)
	echo '#include <sys/syscall.h>' | $(CC) -E -dM - | sed -n 's/^#define __NR_\([a-z][a-z0-9_]*\) .*/{ "\1", __NR_\1 },/p' >$@
$(B)/obj/tests/confined/filtered.o: CPPFLAGS_tests := -I$(B)/obj/tests/confined
$(B)/obj/tests/confined/filtered.o: | $(B)/obj/tests/confined/system_calls.h
$(B)/tests/filtered: $(B)/obj/tests/confined/filtered.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

# Everything that a test runs, so that no test waits for a compiler.
tests-built: all $(test_programs) $(test_plugins) $(demo_plugins) $(kit_program) $(examples:%=$(B)/examples/%.so)
ifneq ($(scdoc),)
tests-built: man
endif

#: make test            install missing packages, build, and run all tests; TEST_ARGS='unit/*' selects suites
test:
	@mk/deps build test
	@$(MAKE) --no-print-directory -s $(jobs) tests-built
	@tests/run -B $(B) $(TEST_ARGS)
#: make test-quick      the same without the slow suites
test-quick:
	@$(MAKE) --no-print-directory -s $(jobs) tests-built
	@tests/run -B $(B) -s 10 'unit/*' 'demo/*' 'integration/*' conformance docs

.PHONY: tests-built test test-quick

# Replaces system calls, also those of plugins.
$(B)/tests/test_retry: private LDFLAGS += -rdynamic

# FUSE servers and programs around inject = replay.
ifneq ($(FUSE_LIBS),)
replay_tests := $(B)/tests/fuse-passthrough $(B)/tests/fanwatch $(B)/tests/exchange $(B)/tests/fuse-posix $(B)/tests/fuse-random-io
tests-built: $(replay_tests)
$(patsubst %,$(B)/obj/tests/fuse/%.o,passthrough caller silent_session): CPPFLAGS_tests += $(FUSE_CFLAGS)
$(B)/tests/fuse-passthrough: $(patsubst %,$(B)/obj/tests/fuse/%.o,passthrough caller silent_session silent)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) -lpthread
$(B)/tests/fuse-posix: $(patsubst tests/fuse/%.c,$(B)/obj/tests/fuse/%.o,$(wildcard tests/fuse/posix*.c))
$(B)/tests/fuse-random-io: $(B)/obj/tests/fuse/random_io.o
$(B)/tests/fuse-posix $(B)/tests/fuse-random-io:
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread
$(B)/tests/fanwatch $(B)/tests/exchange: $(B)/tests/%: $(B)/obj/tests/vm/%.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^
endif
