# SPDX-License-Identifier: LGPL-2.1-or-later
# `make test-vm`: the guest's module in stock Debian kernels under QEMU. Nothing here runs unless it is asked for, and no
# kernel is installed: tests/vm/kernel unpacks them below VM_KERNEL_DIR.

VM_KERNELS ?= 6.1 6.12
VM_KERNEL_DIR ?= $(B)/vm/kernels

#: make test-vm         install QEMU, boot Debian's kernels (VM_KERNELS="6.1 6.12"), and test events in guests
test-vm:
	@mk/deps build vm
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/suite -B $(B) $(VM_KERNELS)
#: make test-vm-programs  programs that watch files, in guests; some are not in Debian, see tests/vm/test_watchers.bash
test-vm-programs:
	@mk/deps build vm vm-programs
	@$(MAKE) --no-print-directory -s $(jobs) all
	@for inject in module replay; do \
		VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/run -B $(B) -k 6.12 -i $$inject programs watchers kernel_has_nothing_to_complain_about || exit 1; \
	done
	@[ ! -e $(B)/vm/traces ] || tests/vm/fidelity $(B)/vm >$(B)/vm/fidelity.md
#: make test-vm-newest  the same on the newest kernel in Debian; the first run takes some minutes longer
test-vm-newest:
	@mk/deps build vm vm-newest
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/suite -B $(B) newest
#: make test-vm-all     record what all traces do in guests of these kernels and the newest, in tests/vm/recorded; takes an hour and a half
test-vm-all:
	@mk/deps build vm vm-newest
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/all -B $(B) $(VM_KERNELS) newest host
#: make test-vm-debug   events in a guest whose kernel has KASAN and lockdep; it is built first, which takes 20 minutes
VM_DEBUG_TESTS ?= events fresh echo hostile stalled agent lasting many rare
test-vm-debug:
	@mk/deps build vm vm-debug
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/run -B $(B) -k debug $(VM_DEBUG_TESTS) kernel_has_nothing_to_complain_about
#: make fidelity        update docs/fidelity.md from the last `make test-vm`
fidelity:
	cp $(B)/vm/fidelity.md docs/fidelity.md

.PHONY: test-vm test-vm-programs test-vm-newest test-vm-all test-vm-debug fidelity
