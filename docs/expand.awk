# SPDX-License-Identifier: LGPL-2.1-or-later
# Fills in a man page: "@option TABLE KEY" becomes the key with its type, default and help as the
# program has them, @VERSION@ the version. First file: what docs/options prints. Fails when the page
# describes a key that does not exist; check-docs finds those that no page describes. The plugin
# `optional` may be absent, because its library is.

function escape(text)
{
	gsub(/[\\*_]/, "\\\\&", text)
	return text
}

function sentence(text)
{
	return escape((text ~ /^auto,/ ? text : toupper(substr(text, 1, 1)) substr(text, 2))) "."
}

function choices(text)
{
	gsub(/\|/, ", ", text)
	return text
}

BEGIN { FS = "\t" }

FNR == NR {
	tables[$1]
	type[$1, $2] = $3
	value[$1, $2] = $4
	help[$1, $2] = $5
	next
}

/^@option / {
	split($0, word, " ")
	if (word[2] == optional && !(optional in tables)) {
		print "*" escape(word[3]) "*"
		print "\tThis installation was built without the plugin " optional "."
		next
	}
	if (!((word[2], word[3]) in type)) {
		printf "%s:%d: there is no option %s of %s\n", FILENAME, FNR, word[3], word[2] > "/dev/stderr"
		failed = 1
		next
	}
	text = "*" escape(word[3]) "* = " escape(choices(type[word[2], word[3]]))
	if (value[word[2], word[3]] == "(required)")
		text = text "; required"
	else if (value[word[2], word[3]] != "(none)")
		text = text "; default *" escape(value[word[2], word[3]]) "*"
	print text
	print "\t" sentence(help[word[2], word[3]])
	next
}

{
	gsub(/@VERSION@/, version)
	print
}

END { exit failed }
