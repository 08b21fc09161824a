#!/bin/bash
# How long a record of a quiet host takes from the kernel to the file of a stock rsyslog behind a stock sshd, at 10 events a second.
# usage: bench/latency.sh [SECONDS] — of each of two phases: without rules, where user messages come alone and LOGIN comes without the EOE that
# would end its event; and with a rule, whose system calls end with EOE. Both formats at once. One line per format and MSGID.
set -eu
. "$(dirname "$0")/farend.sh"
seconds=${1:-30}

measure() { # title, command that makes the events
	watchers=
	for format in audit rfc5424; do
		"$dir/bin/arrivals" "$dir/$format.received" >"$dir/$format.ages" 9>&- &
		watchers="$watchers $!"
	done
	"$2"
	sleep 4 # for what waits longest
	kill $watchers
	wait $watchers
	for format in audit rfc5424; do sed "s/^/$1  $format\t/" "$dir/$format.ages" | grep -E 'APPLICATION|LOGIN|SYSCALL'; done
	auditctl -D >/dev/null
}
messages_and_logins() {
	for _ in $(seq $((seconds * 5))); do
		auditctl -m bench
		sleep 0.1
		(echo 4294967295 >/proc/self/loginuid)
		sleep 0.1
	done
}
system_calls() {
	auditctl -a always,exit -F arch=b64 -S getpgid -F a0=999999 -k bench >/dev/null
	"$dir/bin/gen" $((seconds * 10)) 10
}

auditctl -D >/dev/null
start_sshd
configure
for format in audit rfc5424; do
	start_rsyslog "$format"
	add_tunnelled "$format" "$format" "$syslog_port"
done
start_bridge
sleep 2
measure "without rules" messages_and_logins
: >"$dir/audit.received"
: >"$dir/rfc5424.received"
measure "with a rule  " system_calls
stop_bridge
