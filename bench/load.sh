#!/bin/bash
# The main job under load: kernel → journal → SSH (stock sshd) → stock rsyslog's file, at a steady rate of events of SYSCALL, PROCTITLE, EOE.
# usage: bench/load.sh FORMAT [SECONDS [PER-SECOND [dead]]] — FORMAT is audit or rfc5424; "dead" adds two destinations, one that refuses
# connections and one that takes them and reads nothing. Prints what was lost, what arrived, memory at its highest, and CPU by process.
set -eu
format=$1 seconds=${2:-60} rate=${3:-20000} dead=${4:-}
. "$(dirname "$0")/farend.sh"
events=$((seconds * rate))

sample_memory() { # every second: KiB resident of run and ship, and of both with shared pages counted once
	while sleep 1 && kill -0 "$ship"; do
		awk '/^Rss/ { rss[FILENAME] += $2 } /^Pss:/ { pss += $2 } END { print rss[ARGV[1]], rss[ARGV[2]], pss }' \
			"/proc/$bridge/smaps_rollup" "/proc/$ship/smaps_rollup"
	done
}
names() { echo "run:$bridge ship:$ship sshd:$(pgrep -P "$sshd" | head -1) rsyslogd:$rsyslogd"; }
cpu() { for p in $(names); do echo "${p%:*} $(($(ticks "${p#*:}") + $(tree_ticks "${p#*:}")))"; done; }
tree_ticks() { local sum=0 c; for c in $(pgrep -P "$1" | grep -vx "$ship"); do sum=$((sum + $(ticks "$c"))); done; echo "$sum"; }
arrived() { tail -c 1048576 "$dir/$format.received" | grep -a -q "$1"; }

auditctl -D >/dev/null
start_sshd
sshd=${started##* }
start_rsyslog "$format"
rsyslogd=${started##* }
configure
add_tunnelled siem "$format" "$syslog_port"
if [ -n "$dead" ]; then
	add_destination refusing "$format" "$(free_port)"
	deaf_port=$(free_port)
	"$dir/bin/deaf" "$deaf_port" 9>&- &
	started="$started $!"
	add_destination deaf "$format" "$deaf_port"
fi
start_bridge
auditctl -a always,exit -F arch=b64 -S getpgid -F a0=999999 -k bench >/dev/null
sleep 1
lost=$(kernel_status lost)
cpu >"$dir/cpu.before"
sample_memory >"$dir/memory" 2>/dev/null 9>&- &
sampler=$!
started="$started $sampler"
t0=$(date +%s%N)
"$dir/bin/gen" "$events" "$rate" >/dev/null
t1=$(date +%s%N)
auditctl -D >/dev/null
auditctl -m end # a record of type USER, which nobody else sends
until arrived 'type="\?USER[" ]' || [ $((($(date +%s%N) - t1) / 1000000000)) -ge 120 ]; do sleep 0.05; done
t2=$(date +%s%N)
cpu >"$dir/cpu.after"
kill "$sampler"
lost=$(($(kernel_status lost) - lost))
refused=$(bridge_status | grep -o '"refused":[0-9]*' | cut -d: -f2)
stop_bridge

stored=$(cat "$dir"/journal/[0-9]*.log | grep -a -c ' a0=f423f ')
case $format in
audit) there=$(grep -a -c ' a0=f423f ' "$dir/audit.received") ;;
rfc5424) there=$(grep -a ' SYSCALL \[' "$dir/rfc5424.received" | grep -o ' first="[0-9]*"' | sort -u | wc -l) ;;
esac
echo "$format${dead:+, two more destinations dead}: $events events in $(((t1 - t0) / 1000000)) ms, the last at the far end $(((t2 - t1) / 1000000)) ms later"
echo "  lost by the kernel $lost, refused $refused, stored $stored, at the far end $there"
if [ "$format" = audit ]; then
	"$dir/bin/auditbridge" verify "$dir/audit.received" >"$dir/verified" && verdict=verifies || verdict="does NOT verify"
	echo "  the far end's file $verdict: $(wc -l <"$dir/audit.received") records"
fi
sort -n -k3 "$dir/memory" | awk '{ r = $1 > r ? $1 : r; s = $2 > s ? $2 : s; b = $1 + $2 > b ? $1 + $2 : b } END {
	printf "  resident at most: run %.1f MB, ship %.1f MB, together %.1f MB (%.1f MB with shared pages counted once)\n", r/1024, s/1024, b/1024, $3/1024 }'
paste "$dir/cpu.before" "$dir/cpu.after" | awk -v n="$events" '{ printf "%s %s %.1f", (NR > 1 ? "," : "  CPU per event in us:"), $1, ($4 - $2) * 10000 / n } END { print "" }'
[ "$lost$refused" = 00 ] && [ "$stored" = "$events" ] && [ "$there" = "$events" ] && [ "${verdict:-verifies}" = verifies ]
