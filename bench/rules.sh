#!/bin/sh
# Loads a file of 500 rules with auditctl, with augenrules (which puts rules.d together and runs auditctl: what a host does at boot) and with auditbridge,
# in turns, and says how long each took: from no rules to all of them, and again with nothing to change. Kernel audit is reserved and left disabled and
# without rules. Needs root and auditd's auditctl.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
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
trap 'auditctl -D >/dev/null; rm -rf "$dir"' EXIT
auditctl -e 0 >/dev/null

milliseconds() {
	start=$(date +%s%N)
	"$@" >/dev/null
	echo $((($(date +%s%N) - start) / 1000000))
}
augenrules() { # in an /etc/audit of its own
	unshare --mount --propagation private sh -c 'mount -t tmpfs tmpfs /etc/audit && mkdir /etc/audit/rules.d && cp "$1" /etc/audit/rules.d/ &&
		start=$(date +%s%N) && /sbin/augenrules --load >/dev/null && echo $((($(date +%s%N) - start) / 1000000))' - "$dir/500.rules"
}
loaded() { [ "$(auditctl -l | wc -l)" = 500 ] || { echo "bench/rules.sh: error: $1 did not load 500 rules" >&2; exit 1; }; }

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
	printf '%-6s %12s %12s %12s %18s %18s\n' $round "$theirs" "$merged" "$ours" "$theirsAgain" "$again"
	round=$((round + 1))
done
