# SPDX-License-Identifier: LGPL-2.1-or-later
# Results as members of JSON, from lines of scenario, contender, metric, round and value: "results", with median and spread, and
# "comparisons" of each contender of hostwatch with each other one, by a Wilcoxon signed-rank test on the differences of the rounds.

function sort(list, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j - 1] + 0 > list[j] + 0; j--) {
			t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
		}
}
# The quantile of a sorted list.
function quantile(list, n, q,    at, low) {
	at = 1 + (n - 1) * q
	low = int(at)
	return low >= n ? list[n] : list[low] + (at - low) * (list[low + 1] - list[low])
}
# The probability of rank sums at least as unequal as these, if the signs of n differences were random; exact.
function wilcoxon(d, n,    i, j, sums, rank, plus, total, least, p, max, w, ways, s) {
	for (i = 1; i <= n; i++) {
		rank = 1
		for (j = 1; j <= n; j++)
			if (abs(d[j]) < abs(d[i]) || (abs(d[j]) == abs(d[i]) && j < i)) rank++
		if (d[i] > 0) plus += rank
		else if (d[i] == 0) plus += rank / 2
	}
	max = n * (n + 1) / 2
	least = plus < max - plus ? plus : max - plus
	ways[0] = 1
	for (i = 1; i <= n; i++)
		for (s = max; s >= i; s--)
			ways[s] += ways[s - i]
	for (s = 0; s <= least; s++) p += ways[s]
	p = 2 * p / 2 ^ n
	return p > 1 ? 1 : p
}
function abs(x) { return x < 0 ? -x : x }

function put_result(scenario, who, metric,    key, n, list, r, text) {
	key = scenario SUBSEP who SUBSEP metric
	for (r = 1; r <= rounds; r++)
		if ((key, r) in value) {
			list[++n] = value[key, r]
			text = text (n > 1 ? "," : "") value[key, r]
		}
	if (!n) return
	sort(list, n)
	printf "%s{\"scenario\":\"%s\",\"contender\":\"%s\",\"metric\":\"%s\",\"median\":%.15g,\"spread\":%.15g,\"max\":%.15g,\"values\":[%s]}",
		put++ ? ",\n" : "", scenario, who, metric, quantile(list, n, 0.5),
		quantile(list, n, 0.75) - quantile(list, n, 0.25), list[n], text
}
# Contenders of fanout, sizes and depths are CONTENDER/NUMBER; only those of one number are compared.
function size_of(who) { return index(who, "/") ? substr(who, index(who, "/")) : "" }
function compare(scenario, metric, who, other,    r, a, b, d, n, list, spread, middle, p, verdict, bases, whos) {
	for (r = 1; r <= rounds; r++) {
		a = scenario SUBSEP who SUBSEP metric SUBSEP r
		b = scenario SUBSEP other SUBSEP metric SUBSEP r
		if (!(a in value) || !(b in value)) continue
		d[++n] = value[a] - value[b]
		list[n] = d[n]
		bases[n] = value[b]; whos[n] = value[a]
	}
	if (!n) return
	sort(list, n); sort(bases, n); sort(whos, n)
	middle = quantile(list, n, 0.5)
	spread = quantile(list, n, 0.75) - quantile(list, n, 0.25)
	p = wilcoxon(d, n)
	verdict = p < 0.05 && abs(middle) > spread ? (middle < 0 ? "less" : "more") : "none"
	b = quantile(bases, n, 0.5)
	printf "%s{\"scenario\":\"%s\",\"metric\":\"%s\",\"contender\":\"%s\",\"base\":\"%s\",\"ratio\":%.4f,\"difference\":%.15g,\"spread\":%.15g,\"p\":%.4f,\"verdict\":\"%s\"}",
		put++ ? ",\n" : "", scenario, metric, who, other, b ? quantile(whos, n, 0.5) / b : 0, middle, spread, p, verdict
}

BEGIN { FS = "\t" }
{
	value[$1, $2, $3, $4] = $5
	if ($4 > rounds) rounds = $4
	if (!seen_scenario[$1]++) scenario_of[++scenarios] = $1
	if (!seen_who[$2]++) who_of[++whos] = $2
	if (!seen_metric[$3]++) metric_of[++metrics] = $3
}
END {
	print "\"results\":["
	for (s = 1; s <= scenarios; s++)
		for (w = 1; w <= whos; w++)
			for (m = 1; m <= metrics; m++)
				put_result(scenario_of[s], who_of[w], metric_of[m])
	put = 0
	print "\n],\n\"comparisons\":["
	split("cpu_ns line_p50_ns line_p99_ns wall_ns writer_ns switches", compared, " ")
	for (s = 1; s <= scenarios; s++)
		for (m = 1; m in compared; m++)
			for (w = 1; w <= whos; w++)
				for (o = 1; o <= whos; o++)
					if (who_of[w] ~ /^hostwatch/ && size_of(who_of[w]) == size_of(who_of[o]) && (who_of[o] !~ /^hostwatch/ || o > w))
						compare(scenario_of[s], compared[m], who_of[w], who_of[o])
	print "\n]"
}
