# SPDX-License-Identifier: LGPL-2.1-or-later
# The table of a program (framework/base/args.h) as the tables of prelude.bash: awk -v prefix=_hostwatch -f bash.awk
BEGIN { FS = "\t" }

function quote(text) { gsub(/'/, "'\\''", text); return "'" text "'" }

$1 == "program" {
	program = $2
	if (!name)
		name = $2
	else
		subcommands = subcommands " " substr($2, length(name) + 2)
}
$1 == "option" {
	names[program] = names[program] " --" $2 ($3 == "-" ? "" : " -" $3)
	if ($4 != "flag") {
		words = "\"" program " --" $2 "\"" ($3 == "-" ? "" : " | \"" program " -" $3 "\"")
		rows = rows "\t" words ") row=" quote($4 "\t" $5 "\t" $7) " ;;\n"
	}
}
$1 == "operand" { operands = operands "\t\"" program "\") row=" quote($3 "\t" $4 "\t" $5 "\t" $6) " ;;\n" }
$1 == "command" { commands = commands "\t\"" program "\") return 0 ;;\n" }

END {
	printf "\n# ---- tables\n\n%s_name=%s\n", prefix, name
	printf "%s_subcommands() {\n\tnames=(%s)\n}\n", prefix, substr(subcommands, 2)
	printf "%s_option_names() {\n\tcase $1 in\n", prefix
	for (program in names)
		printf "\t\"%s\") names=(%s) ;;\n", program, substr(names[program], 2)
	printf "\t*) names=() ;;\n\tesac\n}\n"
	printf "%s_option_row() {\n\trow=\n\tcase \"$1 $2\" in\n%s\tesac\n}\n", prefix, rows
	printf "%s_operand_row() {\n\trow=\n\tcase $1 in\n%s\tesac\n}\n", prefix, operands
	printf "%s_takes_command() {\n\tcase $1 in\n%s\tesac\n\treturn 1\n}\n", prefix, commands
	printf "\ncomplete -F %s %s\n", prefix, name
}
