#!/bin/bash
# A large journal: how fast it is verified, how long a start on it takes, and whether dropping ten thousand segments at once holds recording up.
# usage: bench/journal.sh [MIB [SEGMENTS]] — needs about twice MIB of disk below ${TMPDIR:-/tmp}. Fails when verify or the books find anything wrong.
set -eu
cd "$(dirname "$0")/.."
mib=${1:-2048} segments=${2:-10000}
dir=$(mktemp -d)
trap 'kill "${run:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir "$dir/bin"
CGO_ENABLED=0 go build -trimpath -o "$dir/bin/" ./cmd/auditbridge ./bench/drop
bridge() { "$dir/bin/auditbridge" "$@" --config "$dir/etc/auditbridge.toml"; }
field() { bridge status --json 2>/dev/null | grep -o "\"$1\": *[0-9a-z]*" | head -1 | grep -o '[0-9a-z]*$' || true; }
mkdir -p -m 700 "$dir/etc" "$dir/drop/journal" "$dir/drop/state"
printf 'journal-dir = "%s/journal"\nstate-dir = "%s/state"\nrun-dir = "%s/run"\n[audit]\nsource = "plugin"\nspace-left = "2%%"\nadmin-space-left = "1%%"\n' "$dir" "$dir" "$dir" >"$dir/etc/auditbridge.toml"

awk 'BEGIN { for (i = 0; i < 200000; i++) {
	id = sprintf("msg=audit(1709742929.%03d:%d): ", i / 100 % 1000, i)
	print "type=SYSCALL " id "arch=c000003e syscall=121 success=no exit=-3 a0=f423f a1=0 a2=0 a3=0 items=0 ppid=3021 pid=3025 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm=\"gen\" exe=\"/tmp/bench/gen\" key=\"bench\""
	print "type=PROCTITLE " id "proctitle=2F746D702F62656E63682F67656E0032303030303000"
} }' >"$dir/piece"
piece=$(stat -c %s "$dir/piece")
turns=$(((mib * 1048576 + piece - 1) / piece))
for ((i = 0; i < turns; i++)); do cat "$dir/piece"; done | bridge run 2>"$dir/said" || { cat "$dir/said" >&2; exit 1; }
bytes=$(cat "$dir"/journal/0*.log | wc -c)
stored=$(cat "$dir"/journal/0*.log | grep -a -c -v '^type=DAEMON_')
[ "$stored" = $((turns * 400000)) ] || { echo "stored $stored of $((turns * 400000)) records" >&2; exit 1; }
echo "journal: $((bytes >> 20)) MiB, $stored records, $(ls "$dir"/journal/0*.log | wc -l) segments"

TIMEFORMAT='%R %U %S'
for round in 1 2 3; do
	read -r real user sys < <({ time bridge verify >"$dir/verified" 2>&1; } 2>&1)
	awk -v b="$bytes" -v r="$real" -v u="$user" -v s="$sys" 'BEGIN { printf "verify: %.0f MB/s, %.0f MB/s per core (goal: 300)\n", b / r / 1e6, b / (u + s) / 1e6 }'
done
tail -1 "$dir/verified"
mkfifo "$dir/nothing"
exec 7<>"$dir/nothing" # a plugin's input that stays open
for round in 1 2 3; do
	t0=$(date +%s%N)
	"$dir/bin/auditbridge" run --config "$dir/etc/auditbridge.toml" <"$dir/nothing" 7>&- 2>"$dir/said" &
	run=$!
	until [ "$(field balanced)" = true ]; do sleep 0.02; done
	t1=$(date +%s%N)
	echo "start: $(((t1 - t0) / 1000000)) ms until status answers (goal: 1000)"
	kill "$run"
	wait "$run" || true
done
"$dir/bin/drop" "$dir/drop" "$segments"
