# SPDX-License-Identifier: LGPL-2.1-or-later
# `make test-vm`: the guest's module in a stock Debian kernel under QEMU. Nothing here runs unless it is asked for.

VM_PACKAGES := qemu-system-x86 qemu-system-common linux-image-amd64 linux-headers-amd64 busybox-static inotify-tools \
	cpio xz-utils kmod
VM_RELEASE ?= $(patsubst /boot/vmlinuz-%,%,$(lastword $(sort $(wildcard /boot/vmlinuz-*))))

#: make kmod       the guest's kernel module, for the kernel VM_RELEASE
kmod:
	$(MAKE) --no-print-directory -C guest/kmod KERNEL=$(VM_RELEASE)

vm-packages:
	@dpkg -s $(VM_PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(VM_PACKAGES) >/dev/null; }

#: make test-vm    install QEMU and a kernel, boot it, see host changes in the guest
test-vm: vm-packages
	@$(MAKE) --no-print-directory -s all
	@tests/vm/run -B $(B)

.PHONY: kmod vm-packages test-vm
