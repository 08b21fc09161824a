#!/bin/bash
# read against laurel: the same log on standard input, JSON into a file, one after the other in each round. Both kinds of log have three-record
# events of four tasks in turn; without EOE nothing but time tells that an event is over. Both run before all others (nice), as root. usage: bench/read.sh [EVENTS [ROUNDS]], after `make build peers`.
# Fails when an event is lost or read needs more than 64 MB.
set -eu
cd "$(dirname "$0")/.."
events=${1:-200000} rounds=${2:-3}
dir=$(mktemp -d -p /dev/shm) # in memory: the disk is not what is measured
trap 'rm -rf "$dir"' EXIT
program=$PWD/bin/auditbridge
[ -x "$program" ] || { echo "bench/read.sh: error: run \`make build\` first" >&2 && exit 1; }

generate() { # with EOE: 1 or 0
	awk -v n="$events" -v eoe="$1" 'BEGIN {
		for (i = 0; i < n; i += 4) for (r = 0; r < 3; r++) for (t = 0; t < 4; t++) {
			serial = 1000 + i + t; ms = int(serial / 20)
			head = sprintf("msg=audit(%d.%03d:%d): ", 1700000000 + int(ms / 1000), ms % 1000, serial)
			if (r == 0) print "type=SYSCALL " head "arch=c000003e syscall=121 success=yes exit=4242 a0=0 a1=7ffd8a a2=0 a3=0 items=0 ppid=811 pid=4242 auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=3 comm=\"generator\" exe=\"/usr/local/bin/generator\" subj=unconfined key=\"bench\""
			if (r == 1) print "type=PROCTITLE " head "proctitle=2F7573722F6C6F63616C2F62696E2F67656E657261746F72002D6E00353030303030"
			if (r == 2 && eoe) print "type=EOE " head
			if (r == 2 && !eoe) print "type=PATH " head "item=0 name=\"/etc/hosts\" inode=77 dev=08:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
		}
	}'
}

printf 'directory = "%s"\n[auditlog]\nfile = "laurel.json"\nsize = 100000000000\ngenerations = 1\n[transform]\nexecve-argv = [ "array" ]\n' "$dir" >"$dir/laurel.toml"
measure() { # name, command …: appends "name wall cpu rss" to figures
	local name=$1
	shift
	rm -f "$dir/laurel.json" "$dir/read.json"
	nice -n -19 /usr/bin/time -o "$dir/time" -f '%e %U %S %M' "$@" <"$dir/log" >"$dir/read.json" 2>"$dir/said" || { cat "$dir/said" >&2 && exit 1; }
	awk -v name="$name" '{ print name, $1, $2 + $3, $4 }' "$dir/time" >>"$dir/figures"
	local got
	got=$(cat "$dir/laurel.json" "$dir/read.json" 2>/dev/null | wc -l)
	[ "$got" = "$events" ] || { echo "bench/read.sh: error: $name printed $got of $events events" >&2 && exit 1; }
}

for eoe in 1 0; do
	generate "$eoe" >"$dir/log"
	: >"$dir/figures"
	for ((round = 0; round < rounds; round++)); do
		measure laurel laurel -c "$dir/laurel.toml"
		measure read "$program" read
	done
	[ "$eoe" = 1 ] && echo "with EOE, $((3 * events)) records, $rounds rounds:" || echo "without EOE, $((3 * events)) records, $rounds rounds:"
	awk -v records="$((3 * events))" '
		function median(a, n,    i, j, t) { for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }; return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2 }
		{ n[$1]++; wall[$1, n[$1]] = $2; cpu[$1, n[$1]] = $3; if ($4 > rss[$1]) rss[$1] = $4 }
		END {
			for (k = 1; k <= 2; k++) { who = k == 1 ? "laurel" : "read"
				for (i = 1; i <= n[who]; i++) { w[i] = wall[who, i]; c[i] = cpu[who, i] }
				printf "  %-7s %8.0f records/s  %5.2f us CPU/record  %4.0f MB\n", who, records / median(w, n[who]), median(c, n[who]) * 1e6 / records, rss[who] / 1024
			}
			printf "  rate, round by round:"; for (i = 1; i <= n["read"]; i++) { r[i] = wall["laurel", i] / wall["read", i]; printf " %.1f x", r[i] }
			printf "; median %.1f x (goal: 5 x)\n", median(r, n["read"])
			exit rss["read"] > 64 * 1024
		}' "$dir/figures" || { echo "bench/read.sh: error: read needed more than 64 MB" >&2 && exit 1; }
done
