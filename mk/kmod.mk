# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest's kernel module: guest/kmod/Makefile builds it, and needs no library of the host's side.

KERNEL ?= $(shell uname -r)

#: make kmod            build the guest's kernel module for an installed kernel (KERNEL=RELEASE)
kmod:
	$(MAKE) --no-print-directory -C guest/kmod KERNEL=$(KERNEL)
#: make dkms            build and install the module with DKMS, from /usr/src (KERNEL=RELEASE); with DESTDIR: only copy its source
dkms:
	@mk/dkms install '$(KERNEL)' '$(DESTDIR)'
#: make dkms-remove     undo `make dkms`
dkms-remove:
	@mk/dkms remove '$(KERNEL)' '$(DESTDIR)'

#: make kmod-check      check the module with W=1, sparse and checkpatch (VM_KERNELS="6.1 6.12")
kmod-check:
	@for kernel in $(VM_KERNELS); do mk/kmod-check $(B) "$$kernel" || exit 1; done

.PHONY: kmod kmod-check dkms dkms-remove
