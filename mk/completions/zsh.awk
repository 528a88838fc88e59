# SPDX-License-Identifier: LGPL-2.1-or-later
# The table of a program (framework/base/args.h) as a zsh function: awk -f zsh.awk
BEGIN { FS = "\t" }

function quote(text) { gsub(/'/, "'\\''", text); return "'" text "'" }
function escape(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/\[/, "\\[", text)
	gsub(/\]/, "\\]", text)
	gsub(/:/, "\\:", text)
	return text
}
function sentence(text) { sub(/\. .*/, "", text); sub(/\.$/, "", text); return text }
function identifier(text) { gsub(/[^a-z]/, "_", text); return "_" text }

# What completes a value, after its message.
function action(kind, type, choices, words) {
	words = choices
	gsub(/\|/, " ", words)
	if (choices != "-")
		return type == "set" ? " _values -s , word " words : "(" words ")"
	if (kind == "file")
		return "_files"
	if (kind == "dir")
		return "_files -/"
	if (kind == "watcher" || kind == "plugin" || kind == "share" || kind == "address")
		return "_hostwatch_" kind
	return ""
}

function value(kind, type, choices) {
	return escape($6 == "-" ? $2 : $6) ":" action(kind, type, choices)
}

$1 == "program" {
	program = $2
	if (!name) {
		name = $2
	} else {
		commands[++count] = substr($2, length(name) + 2)
		summaries[count] = $3
	}
}
$1 == "option" {
	dashes = $3 == "-" ? "--" $2 : "-" $3 " --" $2
	repeated = $4 == "texts" || $4 == "set"
	spec = repeated ? "'*'" : "'(" dashes ")'"
	mark = $4 == "flag" ? "" : "="
	spec = spec ($3 == "-" ? "--" $2 mark : "{-" $3 ($4 == "flag" ? "" : "+") ",--" $2 mark "}")
	text = "[" escape(sentence($8)) "]"
	if ($4 != "flag")
		text = text ":" value($5, $4, $7)
	specs[program] = specs[program] " \\\n\t\t" spec quote(text)
}
$1 == "operand" {
	message = escape($2 == "-" ? "argument" : $2)
	if ($4 == $5 && $6 == "-") {
		specs[program] = specs[program] " \\\n\t\t" quote("*:" message ":" action($4, "text", "-"))
	} else {
		specs[program] = specs[program] " \\\n\t\t" quote("1:" message ":" action($4, "text", $6)) \
			" \\\n\t\t" quote("*:" message ":" action($5, "text", "-"))
	}
}
$1 == "command" { takes[program] = 1 }

# The file is a function of this name already, if it is that of the program.
function print_function(program) {
	printf "\n"
	if (program != name)
		printf "(( $+functions[%s] )) || ", identifier(program)
	printf "%s() {\n", identifier(program)
	if (takes[program]) {
		print "\tlocal dashes=${words[(i)--]}"
		print "\tif (( dashes < CURRENT )); then"
		print "\t\tshift $dashes words"
		print "\t\t(( CURRENT -= dashes ))"
		print "\t\t_normal"
		print "\t\treturn"
		print "\tfi"
	}
	printf "\t_arguments -s -S%s\n}\n", specs[program]
}

END {
	printf "#compdef %s\n# SPDX-License-Identifier: LGPL-2.1-or-later\n# Made from the programs' own tables of options.\n", name
	print "\n(( $+functions[_hostwatch_plugin_names] )) || _hostwatch_plugin_names() {"
	print "\t_call_program plugins ${_hostwatch_program:-hostwatch} plugins 2>/dev/null | awk -v kind=\"$1\" '!kind || $2 == kind { print $1 }'\n}"
	print "\n(( $+functions[_hostwatch_watcher] )) || _hostwatch_watcher() {"
	print "\tlocal -a names\n\tnames=(auto ${(f)\"$(_hostwatch_plugin_names watcher)\"})"
	print "\t_sequence _wanted watchers expl watcher compadd -a - names\n}"
	print "\n(( $+functions[_hostwatch_plugin] )) || _hostwatch_plugin() {"
	print "\tlocal -a names\n\tnames=(${(f)\"$(_hostwatch_plugin_names)\"})"
	print "\t_alternative 'plugins:plugin:compadd -a names' 'files:file:_files'\n}"
	print "\n(( $+functions[_hostwatch_share] )) || _hostwatch_share() {"
	print "\tlocal -a names socket"
	print "\tlocal at=${words[(I)(-s|--socket)]}"
	print "\t(( at )) && socket=(--socket ${words[at + 1]})"
	print "\tnames=(${(f)\"$(_call_program shares ${_hostwatch_program:-hostwatch} status --json --timeout 1s $socket 2>/dev/null |"
	print "\t\tgrep -o '\"name\":\"[^\"]*\",\"path\"' | sed 's/^\"name\":\"//; s/\",\"path\"$//')\"})"
	print "\t_wanted shares expl share compadd -a names\n}"
	print "\n(( $+functions[_hostwatch_address] )) || _hostwatch_address() {"
	print "\tif compset -P 'unix:'; then\n\t\t_files\n\telse"
	print "\t\t_wanted addresses expl address compadd -S '' unix: tcp: vsock: netlink:\n\tfi\n}"
	for (i = 1; i <= count; i++)
		print_function(name " " commands[i])
	if (!count) {
		print_function(name)
		printf "\n%s \"$@\"\n", identifier(name)
		exit
	}
	printf "\n(( $+functions[%s_commands] )) || %s_commands() {\n\tlocal -a commands\n\tcommands=(\n", identifier(name), identifier(name)
	for (i = 1; i <= count; i++)
		printf "\t\t%s\n", quote(commands[i] ":" escape(summaries[i]))
	print "\t)\n\t_describe -t commands command commands\n}"
	printf "\n%s() {\n", identifier(name)
	print "\tlocal curcontext=$curcontext state line ret=1"
	print "\tlocal _hostwatch_program=${words[1]}"
	printf "\t_arguments -C%s \\\n\t\t'1:command:%s_commands' '*::argument:->argument' && ret=0\n", specs[name], identifier(name)
	print "\t[[ $state == argument ]] || return ret"
	print "\tcase $line[1] in"
	for (i = 1; i <= count; i++)
		printf "\t%s) %s && ret=0 ;;\n", commands[i], identifier(name " " commands[i])
	printf "\tesac\n\treturn ret\n}\n\n%s \"$@\"\n", identifier(name)
}
