# SPDX-License-Identifier: LGPL-2.1-or-later
# What proves the event model: traces under every watcher, random operations, floods.

conformance_program := $(B)/tests/run-conformance
differential_program := $(B)/tests/run-differential
bursts_program := $(B)/tests/run-bursts
stress_programs := $(patsubst tests/stress/%.c,$(B)/tests/stress-%,$(wildcard tests/stress/*.c))
# The plain seeds of CI; fuzz-differential takes any number: make fuzz-differential SEEDS=5000 FIRST=1000
SEEDS ?= 200
FIRST ?= 1

$(conformance_program): $(call obj,tests/conformance/run.c) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka
$(differential_program): $(call obj,$(wildcard tests/differential/*.c)) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka
$(bursts_program): $(call obj,$(wildcard tests/bursts/*.c)) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka
$(B)/tests/test_bursts $(B)/tests/test_judge: $(B)/tests/%: $(B)/obj/tests/unit/%.o $(call obj,$(filter-out %/main.c,$(wildcard tests/bursts/*.c))) \
		$(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka
$(B)/tests/stress-%: $(B)/obj/tests/stress/%.o $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka -ljansson

# README.md carries the table of what is proved by which trace: it must be the one the traces give.
#: make conformance     run every trace under every watcher; CONFORMANCE_ARGS="--filter '07*'" selects traces,
#:                      FS="xfs btrfs overlay" (as root) selects filesystems: tests/conformance/README.md
conformance: $(conformance_program) $(modules)
	@$(conformance_program) --table > $(B)/tests/conformance-table.md
	@sed -n '/^| | | traces |/,/^$$/p' tests/conformance/README.md | sed '/^$$/d' | \
		diff -u - $(B)/tests/conformance-table.md || \
		{ echo "tests/conformance/README.md: the table is out of date; run: make conformance-table"; exit 1; }
	$(if $(filter xfs btrfs%,$(FS)),@mk/deps filesystems)
	$(if $(FS),tests/conformance/on "$(FS)") $(conformance_program) $(CONFORMANCE_ARGS)
#: make conformance-table   update the table in tests/conformance/README.md
conformance-table: $(conformance_program)
	@sed -i '/^| | | traces |/,$$d' tests/conformance/README.md
	$(conformance_program) --table >> tests/conformance/README.md
#: make differential    run random operations under every watcher, with 200 seeds
differential: $(differential_program) $(modules)
	$(differential_program) --seeds 200
#: make fuzz-differential SEEDS=1000 FIRST=1   the same with any seeds
fuzz-differential: $(differential_program) $(modules)
	$(differential_program) --first $(FIRST) --seeds $(SEEDS)
#: make bursts          run 300 random bursts under settle, in two modes: see tests/bursts/main.c
bursts: $(bursts_program) $(modules)
	$(bursts_program)
#: make stress          test the race of recursion, queue overflows and a stopped program
stress: $(stress_programs) $(programs) $(modules)
	@for t in $(stress_programs); do echo "== $$t"; $$t || exit 1; done

.PHONY: bursts conformance conformance-table differential fuzz-differential stress
