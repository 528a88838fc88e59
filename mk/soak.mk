# SPDX-License-Identifier: LGPL-2.1-or-later
# Hours of random work and failures: docs/reliability.md records a run.

soak_program := $(B)/tests/run-soak
HOURS ?= 0.1

$(soak_program): $(call obj,$(wildcard tests/soak/*.c)) $(hostile_support) $(test_lib) $(kit_lib) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS) -lcmocka -ljansson -lutil
tests-built: $(soak_program)
#: make soak HOURS=0.5  random writers and failures for this time, as root; SOAK_ARGS="--seed 7"
soak: $(soak_program) $(programs) $(modules)
	$(soak_program) --hours $(HOURS) $(SOAK_ARGS)

.PHONY: soak
