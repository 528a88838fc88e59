# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads the JSON of `hostwatch bench`, which has one result on each line, for the scripts beside this one.

# The value of a member of the object on this line.
function member(name,    at, text) {
	at = index($0, "\"" name "\":")
	if (!at) return ""
	text = substr($0, at + length(name) + 3)
	if (text ~ /^"/) {
		text = substr(text, 2)
		return substr(text, 1, index(text, "\"") - 1)
	}
	match(text, /^[-0-9.e+]+/)
	return substr(text, 1, RLENGTH)
}
