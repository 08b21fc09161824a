#!/bin/bash
# How long a record of a quiet host takes from the kernel to the file of a stock rsyslog behind a stock sshd, at about 10 events a second.
# usage: bench/latency.sh [SECONDS], of each of three phases: user messages; system calls of a rule, ended by EOE; and, among user messages,
# the release of BPF programs, which no EOE ends. Both formats at once. One line per format and kind of event.
set -eu
. "$(dirname "$0")/farend.sh"
seconds=${1:-60}

measure() { # TEXT of the messages meant, command that makes their events
	watchers=
	for format in audit rfc5424; do
		: >"$dir/$format.received"
		"$dir/bin/arrivals" "$dir/$format.received" "$1" >"$dir/$format.ages" 9>&- &
		watchers="$watchers $!"
		started="$started $!"
	done
	"$2"
	sleep 4 # for what waits longest
	kill $watchers
	wait $watchers
	auditctl -D >/dev/null
	for format in audit rfc5424; do printf '%-8s %s\n' "$format" "$(cat "$dir/$format.ages")"; done
}
user_messages() { for _ in $(seq $((seconds * 10))); do auditctl -m bench && sleep 0.1; done; }
system_calls() {
	auditctl -a always,exit -F arch=b64 -S getpgid -F a0=999999 -k bench >/dev/null
	"$dir/bin/gen" $((seconds * 10)) 10 >/dev/null
}
releases() {
	for _ in $(seq $((seconds * 3))); do
		"$dir/bin/unload"
		for _ in 1 2 3; do auditctl -m bench && sleep 0.1; done
	done
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
measure APPLICATION user_messages
measure SYSCALL system_calls
measure UNLOAD releases
stop_bridge
