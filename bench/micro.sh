#!/bin/sh
# The hot path piece by piece, from the packages' own benchmarks: time and allocations per operation. Allocations must be 0: fails otherwise.
# usage: bench/micro.sh [BENCHTIME]. Nanoseconds are per record, but per event in AppendEvent and per batch in Take (see the benchmarks).
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
measure() { # label, package, benchmark
	go test -run '^$' -bench "^Benchmark$3\$" -benchmem -benchtime "${benchtime}" "$2" | awk -v label="$1" '
		/^Benchmark/ { found = 1; for (i = 3; i < NF; i += 2) v[$(i + 1)] = $i
			ns = "ns/record" in v ? v["ns/record"] : v["ns/op"]
			printf "%-22s %-42s %7.0f ns %4d allocs/op\n", label, $1, ns, v["allocs/op"]; delete v }
		END { exit !found }' | tee -a "$out"
}
benchtime=${1:-1s}
measure receive ./auditbridge Take
measure "escape a line" ./auditbridge AppendLine
measure ring ./journal/ring PublishWrite
measure hash ./seal WriterPerRecord
measure append ./journal Append
measure header ./auditbridge ParseHeader
measure reassemble ./auditbridge Reassemble
measure "reassemble, classify" ./auditbridge ReassembleAndClassify
measure "format an event" ./forward/syslog AppendEvent
measure "format a record" ./forward/syslog AppendRecord
measure "relay, both formats" ./forward Stream
measure "JSON of an event" ./forward/jsonline AppendEvent
! grep -v ' 0 allocs/op' "$out"
