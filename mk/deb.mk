# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian packages; packaging/README.md describes them.

#: make deb        build the Debian packages in build/deb, and check them with lintian
deb:
	@mk/deps build deb
	@mk/deb $(B)
	@tests/deb $(B)/deb

.PHONY: deb
