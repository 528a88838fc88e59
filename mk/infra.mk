# SPDX-License-Identifier: LGPL-2.1-or-later
# Plugins that exist for tests: tiny ones that work, and ones that are broken in one way each.

test_plugins := $(patsubst tests/plugins/%.c,$(B)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))

$(B)/tests/plugins/%.so: $(B)/obj/tests/plugins/%.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ $^

test-plugins: $(test_plugins)
unit: $(test_plugins) $(programs)

.PHONY: test-plugins
