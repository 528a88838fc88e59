# SPDX-License-Identifier: LGPL-2.1-or-later
# Part of bench/performance, after json.awk: the versions of the contenders, and the limits of the kernel.
/^\{"name":.*"version":/ {
	name = member("name"); version = member("version")
	if (version != "" && !seen[version]++) list = list (list == "" ? "" : ", ") (name ~ /^hostwatch/ ? version : name " (" version ")")
}
/^"limits":/ && limits == "" {
	limits = $0
	gsub(/["{}]/, "", limits)
	sub(/^limits:/, "", limits)
	sub(/,$/, "", limits)
	gsub(/:/, " ", limits); gsub(/,/, ", ", limits); gsub(/_/, " ", limits)
}
END {
	if (list != "") print "Contenders with a version: " list "."
	if (limits != "") print "Limits of the kernel: " limits "."
}
