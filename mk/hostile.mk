# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad input: what the programs do with directories, names, files, limits and peers that mean no good.

hostile_support := $(call obj,$(wildcard tests/hostile/support/*.c))
hostile_programs := $(patsubst tests/hostile/%.c,$(B)/tests/hostile-%,$(wildcard tests/hostile/*.c))

$(B)/tests/hostile-%: $(B)/obj/tests/hostile/%.o $(hostile_support) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS) -lcmocka -ljansson -lutil
#: make hostile         test unreadable directories, mounts, limits, full disks and hostile peers
hostile: $(hostile_programs) $(programs) $(modules) $(test_plugins)
	@for t in $(hostile_programs); do echo "== $$t"; $$t || exit 1; done

.PHONY: hostile

# The N-th call of a function fails: tests/faults/run.c.
faults_program := $(B)/tests/run-faults

$(B)/tests/fail.so: $(B)/obj/tests/faults/fail.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ $^ -ldl
$(faults_program): $(call obj,tests/faults/run.c) $(hostile_support) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS) -lcmocka -ljansson -lutil
tests-built: $(faults_program) $(B)/tests/fail.so
