# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench` measures, `make bench-quick` shows in under a minute that the bench works and nothing is lost.

bench_names := load tree raw_inotify raw_fanotify latency meter
bench_programs := $(bench_names:%=$(B)/bench/bin/%)

$(B)/bench/bin/%: $(B)/obj/bench/%.o $(B)/obj/bench/common.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

bench-programs: $(bench_programs)
#: make bench           measure the cost of watching (bench/README); BENCH_ARGS; bench-quick takes a minute
bench: all bench-programs
	bench/run -B $(B) $(BENCH_ARGS)
bench-quick: all bench-programs
	bench/run -B $(B) -q $(BENCH_ARGS)

.PHONY: bench bench-programs bench-quick
