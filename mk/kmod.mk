# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest's kernel module: guest/kmod/Makefile builds it, and needs no library of the host's side.

KERNEL ?= $(shell uname -r)

#: make kmod       the guest's kernel module, for an installed kernel (KERNEL=RELEASE)
kmod:
	$(MAKE) --no-print-directory -C guest/kmod KERNEL=$(KERNEL)
#: make dkms       copy the module's sources to /usr/src, let DKMS build and install it (KERNEL=RELEASE); with DESTDIR: copy only
dkms:
	@mk/dkms install '$(KERNEL)' '$(DESTDIR)'
#: make dkms-remove   undo `make dkms`
dkms-remove:
	@mk/dkms remove '$(KERNEL)' '$(DESTDIR)'

.PHONY: kmod dkms dkms-remove
