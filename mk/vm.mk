# SPDX-License-Identifier: LGPL-2.1-or-later
# `make test-vm`: the guest's module in stock Debian kernels under QEMU. Nothing here runs unless it is asked for, and no
# kernel is installed: tests/vm/kernel unpacks them below VM_KERNEL_DIR.

VM_PACKAGES := qemu-system-x86 qemu-system-common busybox-static inotify-tools cpio xz-utils kmod gcc-12 libelf1
VM_KERNELS ?= 6.1 6.12
VM_KERNEL_DIR ?= $(B)/vm/kernels
VM_TESTS ?=
KERNEL ?= $(shell uname -r)

#: make kmod       the guest's kernel module, for an installed kernel (KERNEL=RELEASE)
kmod:
	$(MAKE) --no-print-directory -C guest/kmod KERNEL=$(KERNEL)

vm-packages:
	@dpkg -s $(VM_PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(VM_PACKAGES) >/dev/null; }

#: make test-vm    install QEMU, boot Debian's kernels (VM_KERNELS="6.1 6.12"), see host changes in the guest (VM_TESTS)
test-vm: vm-packages
	@$(MAKE) --no-print-directory -s all
	@for kernel in $(VM_KERNELS); do \
		VM_KERNEL_DIR=$(VM_KERNEL_DIR) tests/vm/run -B $(B) -k $$kernel $(VM_TESTS) || exit 1; \
	done

#: make test-vm-newest   the same on the newest kernel that Debian has; some minutes more the first time
test-vm-newest:
	@command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
	@$(MAKE) --no-print-directory test-vm VM_KERNELS=newest

.PHONY: kmod vm-packages test-vm test-vm-newest
