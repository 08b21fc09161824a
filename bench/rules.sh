#!/bin/sh
# Loads a file of 500 rules with auditctl, with augenrules (which puts rules.d together and runs auditctl: what a host does at boot) and with auditbridge,
# in turns, and says how long each took: from no rules to all of them, and again with nothing to change; first as on a host, where audit is on and an
# auditd hears what the kernel says of each change, then with audit off. Kernel audit is reserved and left disabled and without rules. Needs root and
# auditd.
set -eu
cd "$(dirname "$0")/.."
. bench/auditd.sh
rounds=${1:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM PIPE # dash runs no EXIT trap else
printf 'journal-dir = "%s/journal"\nstate-dir = "%s/state"\nrun-dir = "%s/run"\n' "$dir" "$dir" "$dir" >"$dir/auditbridge.toml" # not the host's own state
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$dir/auditbridge" ./cmd/auditbridge
{
	echo -D
	i=0
	while [ $i -lt 500 ]; do
		echo "-a always,exit -F arch=b64 -S getpgid -F a0=$((900000 + i)) -F auid>=1000 -F key=bench-$i"
		i=$((i + 1))
	done
} >"$dir/500.rules"

exec 9>>/run/lock/auditbridge-audit.lock
flock 9
patience=$(auditctl -s | awk '$1 == "backlog_wait_time" { print $2 }')
hearing=
finish() {
	trap '' HUP INT TERM PIPE
	if [ -n "$hearing" ]; then
		kill "$hearing" 2>/dev/null || true
		wait "$hearing" || true
	fi
	auditctl -e 0 >/dev/null
	auditctl -D >/dev/null
	auditctl --backlog_wait_time "$patience" >/dev/null
	rm -rf "$dir"
}
trap finish EXIT
auditctl --backlog_wait_time 100 >/dev/null # whatever hangs must not hold the machine

hear() { # what a host does
	mkdir "$dir/auditd"
	auditd_in "$dir/auditd"
	hearing=$!
	until [ "$(auditctl -s | awk '$1 == "pid" { print $2 }')" = "$hearing" ]; do
		kill -0 "$hearing"
		sleep 0.1
	done
	auditctl -e 1 >/dev/null
}
deafen() {
	kill "$hearing"
	wait "$hearing" || true
	hearing=
	auditctl -e 0 >/dev/null
}

tenths() { awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $1) / 1000000 }"; }
milliseconds() {
	start=$(date +%s%N)
	"$@" >/dev/null
	tenths "$start"
}
augenrules() { # in an /etc/audit of its own
	unshare --mount --propagation private sh -c 'mount -t tmpfs tmpfs /etc/audit && mkdir /etc/audit/rules.d && cp "$1" /etc/audit/rules.d/ &&
		start=$(date +%s%N) && /sbin/augenrules --load >/dev/null && echo "$start $(date +%s%N)"' - "$dir/500.rules" | awk '{ printf "%.1f", ($2 - $1) / 1000000 }'
}
loaded() { [ "$(auditctl -l | wc -l)" = 500 ] || { echo "bench/rules.sh: error: $1 did not load 500 rules" >&2; exit 1; }; }

compare() {
	rm -f "$dir/rounds"
	printf '%-6s %12s %12s %12s %18s %18s\n' round 'auditctl ms' augenrules auditbridge 'auditctl, again' 'auditbridge, again'
	round=1
	while [ $round -le "$rounds" ]; do
		auditctl -D >/dev/null
		theirs=$(milliseconds auditctl -R "$dir/500.rules")
		loaded auditctl
		theirsAgain=$(milliseconds auditctl -R "$dir/500.rules")
		loaded auditctl
		auditctl -D >/dev/null
		merged=$(augenrules)
		loaded augenrules
		auditctl -D >/dev/null
		ours=$(milliseconds "$dir/auditbridge" rules load --config "$dir/auditbridge.toml" "$dir/500.rules")
		loaded auditbridge
		again=$(milliseconds "$dir/auditbridge" rules load --config "$dir/auditbridge.toml" "$dir/500.rules")
		printf '%-6s %12s %12s %12s %18s %18s\n' $round "$theirs" "$merged" "$ours" "$theirsAgain" "$again" | tee -a "$dir/rounds"
		round=$((round + 1))
	done
	printf '%-6s' median
	for column in 2 3 4 5 6; do
		width=12
		[ $column -lt 5 ] || width=18
		printf " %${width}s" "$(awk "{ print \$$column }" "$dir/rounds" | sort -n | sed -n "$(((rounds + 1) / 2))p")"
	done
	echo
}

echo 'audit on, auditd hears'
hear
compare
deafen
echo 'audit off'
compare
