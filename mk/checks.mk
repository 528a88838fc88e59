# SPDX-License-Identifier: LGPL-2.1-or-later
# What .ci/run checks besides the tests. Each builds into a directory of its own beside $(B).

checked_files = $(shell git ls-files '*.[ch]' ':!tests/abi/*' 2>/dev/null)
scripts = $(shell git grep -lE '^\#!/bin/(ba)?sh' 2>/dev/null)
FUZZ_SECONDS ?= 8
fuzz_names := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_programs := $(fuzz_names:%=$(B)/fuzz/%)
SANITIZE_ALL := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

#: make format-check, cppcheck, shellcheck, structure   check the source code
# Version 14, that of Debian 12, decides: others differ in details.
format-check:
	@case "$$(clang-format --version)" in \
	*' version 14.'*) clang-format --dry-run -Werror $(checked_files) ;; \
	*) echo "format-check: left out: clang-format 14 decides, and $$(clang-format --version) is installed" ;; \
	esac
format:
	clang-format -i $(checked_files)
cppcheck:
	@cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --error-exitcode=1 -q $(jobs) \
		-D_GNU_SOURCE $(public_headers:%=-I %) $(rooms:%=-I framework/%) --suppress=missingIncludeSystem \
		framework wire plugins sinks tools bench guest/agent guest/replay
# What may be wrong, not what could be written in another way.
shellcheck:
	@shellcheck -x -S warning $(scripts)
structure: all
	@mk/structure $(B)

#: make werror          build with gcc and clang, with warnings as errors
werror: werror-gcc werror-clang
werror-%:
	@$(MAKE) --no-print-directory -s $(jobs) B=$(B)-$* CC=$* WERROR=-Werror tests-built bench-programs

# Suites about packages and documents, and long ones that run the programs of others again.
not_sanitized := -x docs -x integration/bench -x integration/abi -x integration/deps -x integration/docs_commands -x integration/explain \
	-x integration/install -x integration/new_plugin -x integration/plugin_check -x integration/unprivileged

#: make asan            run most tests under AddressSanitizer and UBSan; TEST_ARGS='*': all, 'unit/*': these
asan: export SANITIZE := $(SANITIZE_ALL)
asan: export OPTIMIZE := -O1 -g
asan:
	@$(MAKE) --no-print-directory -s $(jobs) B=$(B)-asan tests-built
	@tests/run -B $(B)-asan -s 20 $(or $(TEST_ARGS),$(not_sanitized))

#: make tsan            run unit and stress tests under ThreadSanitizer, and others with threads; TEST_ARGS selects others
tsan: export SANITIZE := -fsanitize=thread -fno-omit-frame-pointer
tsan: export OPTIMIZE := -O1 -g
tsan:
	@$(MAKE) --no-print-directory -s $(jobs) B=$(B)-tsan tests-built
	@TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 tests/run -B $(B)-tsan -s 40 -t 900 $(or $(TEST_ARGS),'unit/*' 'stress/*' \
		'integration/silent*' 'integration/replay*')

#: make fuzz-short      run every fuzz target for FUZZ_SECONDS (8), starting with its corpus
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(call archives,$^) $(CORE_LIBS) $(WIRE_LIBS)
$(B)/fuzz/fuzz_agent_link: $(agent_lib)
fuzz-built: $(fuzz_programs)
fuzz-short:
	@$(MAKE) --no-print-directory -s $(jobs) B=$(B)-fuzz CC=clang OPTIMIZE='-O1 -g' \
		SANITIZE='$(SANITIZE_ALL) -fsanitize=fuzzer-no-link' fuzz-built
	@mk/fuzz $(B)-fuzz $(FUZZ_SECONDS) $(fuzz_names)

.PHONY: format-check format cppcheck shellcheck structure werror asan tsan fuzz-built fuzz-short
