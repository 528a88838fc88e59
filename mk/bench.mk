# SPDX-License-Identifier: LGPL-2.1-or-later
# `hostwatch bench`: programs and scripts in $(B)/bench, as they are installed. `make bench` measures with them.

bench_names := load tree raw_inotify raw_fanotify raw_send latency meter judge subscriber replay
bench_scripts := run setup.sh contenders.sh barrier.sh scenarios.sh scale.sh polls.sh perf.sh report.awk results.awk workload.awk plot.sh peer.js record record.awk json.awk where flame flame.awk fold.awk
bench_executables := run plot.sh record where flame
bench_workloads := $(wildcard bench/workloads/*.xz)
bench_programs := $(bench_names:%=$(B)/bench/%)
bench_dir = $(DESTDIR)$(kitdir)/bench

$(bench_programs): $(B)/bench/%: $(B)/obj/bench/%.o $(B)/obj/bench/common.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(bench_libs)
$(B)/bench/judge: $(call obj,bench/names.c bench/reports.c)
$(B)/bench/latency: $(call obj,bench/frames.c) $(wire_lib)
$(B)/bench/latency: bench_libs = $(WIRE_LIBS)
$(B)/obj/bench/frames.o $(B)/obj/bench/latency.o: CPPFLAGS_bench += -Iwire/include
$(bench_scripts:%=$(B)/bench/%): $(B)/bench/%: bench/%
	@mkdir -p $(@D)
	@install -m$(if $(filter $(bench_executables),$*),755,644) $< $@
$(bench_workloads:%=$(B)/%): $(B)/bench/workloads/%: bench/workloads/%
	@mkdir -p $(@D)
	@install -m644 $< $@
bench-programs: $(bench_programs) $(bench_scripts:%=$(B)/bench/%) $(bench_workloads:%=$(B)/%)
all: bench-programs

#: make bench           measure the cost of watching (bench/README); BENCH_ARGS; bench-quick takes a minute
bench: all
	bench/on-filesystems $(B) tmpfs,ext4 $(BENCH_ARGS)
bench-quick: all
	bench/on-filesystems $(B) tmpfs --quick $(BENCH_ARGS)

install-bench: bench-programs
	install -d $(bench_dir)
	install -d $(bench_dir)/workloads
	install -m755 $(bench_programs) $(bench_executables:%=bench/%) $(bench_dir)
	install -m644 $(filter-out $(bench_executables:%=bench/%),$(bench_scripts:%=bench/%)) $(bench_dir)
	install -m644 $(bench_workloads) $(bench_dir)/workloads
install: install-bench

.PHONY: bench bench-programs bench-quick install-bench

# docs/performance.md from the results that were kept, and these results from the machine.
performance_dir := docs/performance
#: make performance     write docs/performance.md and its pictures from docs/performance/*.json
performance:
	@rm -f $(performance_dir)/*/*.svg
	@for json in $(performance_dir)/*.json; do bench/plot.sh $$json $${json%.json} svg || exit 1; done
	@bench/scaling.sh $(performance_dir)/*.json $(performance_dir)/scaling.svg
	@bench/performance docs/performance.md bench/README $(performance_dir)
#: make performance-measure   these results from the machine, as root; ROWS='arm poll' for some (bench/measure), SIZE=small for a try
performance-measure: all
	bench/measure $(if $(filter small,$(SIZE)),-s) $(if $(AGAIN),-f) $(B) $(if $(filter small,$(SIZE)),$(B)/performance-try,$(performance_dir)) $(ROWS)

.PHONY: performance performance-measure
