# SPDX-License-Identifier: LGPL-2.1-or-later
# `make run` on a machine with nothing installed: packages first, then a make that finds them.

jobs = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

#: make run             install missing packages, build, and show three watchers that report the same events
#: make run DIR=/some/dir   the same, then watch that directory until Ctrl-C
run:
	@mk/deps build
	@[ -x $(B)/hostwatch ] || echo "building into $(B)/ ..."
	@$(MAKE) --no-print-directory -s $(jobs) all
	@$(if $(DIR),$(B)/hostwatch watch "$$DIR",$(B)/hostwatch demo)
run: export DIR := $(DIR)

.PHONY: run
