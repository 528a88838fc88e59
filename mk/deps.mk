# SPDX-License-Identifier: LGPL-2.1-or-later
# What has to be installed: mk/deps has the lists.

#: make deps            install missing packages for building (Debian, as root)
deps:
	@mk/deps build
#: make deps-test, deps-checks   the same for `make test` and for .ci/run
deps-test:
	@mk/deps build test
deps-checks:
	@mk/deps build test checks

.PHONY: deps deps-test deps-checks
