# SPDX-License-Identifier: LGPL-2.1-or-later
# `make test-vm`: the guest's module in stock Debian kernels under QEMU. Nothing here runs unless it is asked for, and no
# kernel is installed: tests/vm/kernel unpacks them below VM_KERNEL_DIR.

VM_KERNELS ?= 6.1 6.12
VM_KERNEL_DIR ?= $(B)/vm/kernels

#: make test-vm    install QEMU, boot Debian's kernels (VM_KERNELS="6.1 6.12"), see host changes in the guest
test-vm:
	@mk/deps build vm
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/suite -B $(B) $(VM_KERNELS)
#: make test-vm-newest   the same on the newest kernel that Debian has; some minutes more the first time
test-vm-newest:
	@mk/deps build vm vm-newest
	@$(MAKE) --no-print-directory -s $(jobs) all
	@VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/suite -B $(B) newest
#: make fidelity     docs/fidelity.md as the last `make test-vm` saw it
fidelity:
	cp $(B)/vm/fidelity.md docs/fidelity.md

.PHONY: test-vm test-vm-newest fidelity
