# SPDX-License-Identifier: LGPL-2.1-or-later
# Examples that are programs, as their authors build them, but against this tree. Left out without libfuse3.

fuse_server := $(if $(FUSE_LIBS),$(B)/examples/fuse-server/fuse-server)
$(B)/examples/fuse-server/fuse-server: $(wildcard examples/fuse-server/*) $(wire_lib) $(wildcard $(public_headers:%=%/hostwatch/*.h)) $(B)/flags
	@mkdir -p $(@D) && cp -Rp examples/fuse-server/. $(@D)
	@rm -f $@
	@$(MAKE) --no-print-directory -C $(@D) CC='$(CC)' CFLAGS='$(OPTIMIZE) $(WARNINGS) -Werror $(SANITIZE)' \
		HW_CFLAGS='$(foreach d,$(public_headers),-I"$(abspath $(d))")' HW_LIBS='"$(abspath $(wire_lib))" $(SODIUM_LIBS)'

tests-built: $(fuse_server)
