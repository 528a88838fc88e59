# SPDX-License-Identifier: LGPL-2.1-or-later
# The units under a real systemd: tests/systemd.

SYSTEMD_ROOT ?= $(B)/systemd/root

#: make test-systemd    the units in a container that systemd-nspawn boots; the first run makes a Debian system, which takes 2 minutes
test-systemd:
	@mk/deps build systemd
	@$(MAKE) --no-print-directory -s $(jobs) all $(B)/tests/fuse-endless
	@mkdir -p $(B)/systemd
	@B=$(B) tests/systemd $(SYSTEMD_ROOT) $(B)/deb

.PHONY: test-systemd
