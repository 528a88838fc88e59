# SPDX-License-Identifier: LGPL-2.1-or-later
# Instructions of the path of an event, counted by callgrind: bench/instructions.

drain_program := $(B)/bench/bin/drain

$(B)/obj/bench/drain.o: CPPFLAGS_bench += $(CPPFLAGS_framework) -Iwire/include
$(drain_program): $(call obj,bench/drain.c bench/common.c) $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -Wl,--wrap=hw_remote_any,--wrap=hw_away_is_possible -o $@ $^ $(CORE_LIBS) $(WIRE_LIBS)
bench-drain: $(drain_program)

#: make bench-compare BASE=REVISION   instructions for each event by function, in REVISION and here (valgrind)
bench-compare:
	@bench/instructions compare '$(BASE)'
#: make bench-instructions   the same, compared with bench/instructions.txt; make bench-record WHY=... replaces it
bench-instructions: all $(drain_program)
	@bench/instructions check $(B)
bench-record: all $(drain_program)
	@bench/instructions record $(B) '$(WHY)'

.PHONY: bench-drain bench-compare bench-instructions bench-record
