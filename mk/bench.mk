# SPDX-License-Identifier: LGPL-2.1-or-later
# `hostwatch bench`: programs and scripts in $(B)/bench, as they are installed. `make bench` measures with them.

bench_names := load tree raw_inotify raw_fanotify latency meter judge subscriber
bench_scripts := run setup.sh contenders.sh scenarios.sh scale.sh perf.sh report.awk results.awk plot.sh peer.js
bench_programs := $(bench_names:%=$(B)/bench/%)
bench_dir = $(DESTDIR)$(kitdir)/bench

$(bench_programs): $(B)/bench/%: $(B)/obj/bench/%.o $(B)/obj/bench/common.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^
$(B)/bench/judge: $(call obj,bench/names.c bench/reports.c)
$(bench_scripts:%=$(B)/bench/%): $(B)/bench/%: bench/%
	@mkdir -p $(@D)
	@install -m$(if $(filter run plot.sh,$*),755,644) $< $@
bench-programs: $(bench_programs) $(bench_scripts:%=$(B)/bench/%)
all: bench-programs

#: make bench           measure the cost of watching (bench/README); BENCH_ARGS; bench-quick takes a minute
bench: all
	bench/on-filesystems $(B) tmpfs,ext4 $(BENCH_ARGS)
bench-quick: all
	bench/on-filesystems $(B) tmpfs --quick $(BENCH_ARGS)

install-bench: bench-programs
	install -d $(bench_dir)
	install -m755 $(bench_programs) bench/run bench/plot.sh $(bench_dir)
	install -m644 $(filter-out bench/run bench/plot.sh,$(bench_scripts:%=bench/%)) $(bench_dir)
install: install-bench

.PHONY: bench bench-programs bench-quick install-bench
