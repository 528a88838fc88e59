# SPDX-License-Identifier: LGPL-2.1-or-later
# The test of guest-sim runs the program itself.
$(B)/tests/test_guest_sim: | $(B)/hostwatch
