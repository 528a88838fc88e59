# SPDX-License-Identifier: LGPL-2.1-or-later
# Unit tests of the core that use what the traces use: scratch directories, a share with its loop, a replica.

rig_tests := $(filter $(unit_tests),test_closed test_disk test_quiet test_settle test_ahead test_shares test_snapshots test_turmoil test_out_of_memory test_scan_requests)
scene_tests := test_ahead test_closed test_quiet test_turmoil test_scan_requests
$(scene_tests:%=$(B)/tests/%): $(call obj,$(wildcard tests/unit/support/*.c))
$(rig_tests:%=$(B)/tests/%): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(call obj,$(wildcard tests/common/*.c)) $(core_lib)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS) -lcmocka
# Of the parts that watchers have in common.
$(B)/tests/test_dirs: $(plugin_lib)
