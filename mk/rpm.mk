# SPDX-License-Identifier: LGPL-2.1-or-later
# RPM packages; packaging/README.md describes them.

#: make rpm        build the RPM packages in build/rpm, and check them
rpm:
	@mk/deps build rpm
	@mk/rpm $(B)
	@tests/rpm $(B)/rpm

.PHONY: rpm
