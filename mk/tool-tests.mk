# SPDX-License-Identifier: LGPL-2.1-or-later
# Unit tests of parts of the tools.
$(B)/tests/test_batch: $(call obj,tools/batch.c tools/hashes.c tools/target.c)
$(B)/tests/test_outputs: $(call obj,tools/outputs.c tools/hashes.c)
$(B)/tests/test_select: $(call obj,tools/select.c)
$(B)/tests/test_batch $(B)/tests/test_outputs $(B)/tests/test_select: $(B)/tests/%: $(B)/obj/tests/unit/%.o $(core_lib) $(wire_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CORE_LIBS) -lcmocka
