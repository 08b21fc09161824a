#!/bin/bash
# Catching up with a followed file: a log of RECORDS records (SYSCALL and PROCTITLE, as auditd writes them), in three rotated pieces, of which none
# was read yet, until all of it is stored in the journal. Prints records per second and fails when one is missing. usage: bench/follow.sh [RECORDS [ROUNDS]]
set -eu
cd "$(dirname "$0")/.."
records=${1:-1500000} rounds=${2:-3}
dir=$(mktemp -d)
trap 'kill "${run:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -trimpath -o "$dir/auditbridge" ./cmd/auditbridge
mkdir "$dir/log"
awk -v n="$records" -v log_file="$dir/log/audit.log" 'BEGIN {
	for (i = 0; i < n; i += 2) {
		to = i < n / 3 ? log_file ".2" : i < n * 2 / 3 ? log_file ".1" : log_file
		id = sprintf("msg=audit(1709742929.%03d:%d): ", i / 1000 % 1000, i / 2)
		print "type=SYSCALL " id "arch=c000003e syscall=121 success=no exit=-3 a0=f423f a1=0 a2=0 a3=0 items=0 ppid=3021 pid=3025 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm=\"gen\" exe=\"/tmp/bench/gen\" key=\"bench\"" > to
		print "type=PROCTITLE " id "proctitle=2F746D702F62656E63682F67656E0032303030303000" > to
	} }'
bytes=$(cat "$dir"/log/* | wc -c)
field() { "$dir/auditbridge" status --json --config "$dir/auditbridge.toml" 2>/dev/null | grep -o "\"$1\": *[0-9]*" | grep -o '[0-9]*$' || true; }
for round in $(seq "$rounds"); do
	rm -rf "$dir/journal" "$dir/state" "$dir/run"
	printf 'journal-dir = "%s/journal"\nstate-dir = "%s/state"\nrun-dir = "%s/run"\n[audit]\nsource = "file:%s/log/audit.log"\n' "$dir" "$dir" "$dir" "$dir" >"$dir/auditbridge.toml"
	# The pieces that were rotated away count only behind a place that was read: the first start reads the oldest while it has the plain name.
	mv "$dir/log/audit.log" "$dir/log/aside"
	mv "$dir/log/audit.log.1" "$dir/log/aside.1"
	head -1 "$dir/log/audit.log.2" >"$dir/log/audit.log"
	"$dir/auditbridge" run --config "$dir/auditbridge.toml" 2>"$dir/said" &
	run=$!
	until [ "$(field stored)" = 1 ]; do sleep 0.1; done
	kill "$run" && wait "$run" || true
	rm "$dir/log/audit.log"
	mv "$dir/log/aside" "$dir/log/audit.log"
	mv "$dir/log/aside.1" "$dir/log/audit.log.1"
	t0=$(date +%s%N)
	"$dir/auditbridge" run --config "$dir/auditbridge.toml" 2>>"$dir/said" &
	run=$!
	until [ "$(field stored)" = $((records - 1)) ]; do
		sleep 0.05
		[ $((($(date +%s%N) - t0) / 1000000000)) -lt 120 ] || { cat "$dir/said" >&2; exit 1; }
	done
	t1=$(date +%s%N)
	cpu=$(awk '{ print ($14 + $15) * 10 }' "/proc/$run/stat")
	kill "$run" && wait "$run" || true
	stored=$(cat "$dir"/journal/0*.log | grep -a -c -v -E '^type=DAEMON_')
	[ "$stored" = "$records" ] || { echo "stored $stored of $records records" >&2; exit 1; }
	echo "round $round: $records records, $((bytes >> 20)) MiB, in $(((t1 - t0) / 1000000)) ms with starting: $((records * 1000 / ((t1 - t0) / 1000000))) records/s, $((cpu * 1000000 / records)) ns CPU/record"
done
