#!/bin/bash
# Lossless capture rate on this machine's kernel: stock auditd, a bare reader, and auditbridge, one after the other in one run.
# usage: bench/capture.sh [EVENTS [ROUNDS]] — as root, nothing else owning kernel audit. One line per reader and round: events/s until
# the kernel's queue is empty and the reader idle, CPU microseconds per event, records lost, events found in the reader's file.
# "recording" is auditbridge's kernel source, ring and journal in a process of their own, without forwarding (bench/capture).
# READERS="auditd rawreader recording auditbridge" chooses; "plugin" is auditd with auditbridge as its plugin, until both have stored everything,
# "dd" the same with dd as the plugin: how fast auditd can hand on at all.
# Kernel audit is left disabled and without rules.
set -eu
cd "$(dirname "$0")/.."
. bench/auditd.sh
exec 9>>/run/lock/auditbridge-audit.lock
flock 9
events=${1:-200000} rounds=${2:-3}
dir=$(mktemp -d)
run=$(mktemp -d -p /run) # the ring belongs into memory, as in /run/auditbridge
reader=
finish() {
	[ -z "$reader" ] || { kill "$reader"; wait "$reader"; } 2>/dev/null || true
	auditctl -D >/dev/null 2>&1 || true
	auditctl -e 0 >/dev/null 2>&1 || true
	rm -rf "$dir" "$run"
}
trap finish EXIT
mkdir "$dir/bin"
gcc -O2 -Wall -o "$dir/bin/rawreader" bench/rawreader.c
go build -o "$dir/bin/" ./bench/capture ./cmd/auditbridge ./internal/audittest/gen

status() { auditctl -s | awk -v key="$1" '$1 == key { print $2 }'; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
children() { cat /proc/"$1"/task/*/children 2>/dev/null; }

start_auditd() { auditd_in "$dir"; }
start_plugin() { # the configuration has a folder of its own: it is watched, and auditd writes its log into $dir
	mkdir -p -m 700 "$dir/etc"
	cat >"$dir/etc/auditbridge.toml" <<-CONF
		journal-dir = "$dir/plugin"
		state-dir = "$dir/state"
		run-dir = "$run"
		[audit]
		source = "plugin"
	CONF
	mkdir -p -m 700 "$dir/plugin" "$dir/state"
	auditd_with "$dir/bin/auditbridge" "run --config=$dir/etc/auditbridge.toml"
}
start_dd() {
	mkdir "$dir/dd"
	auditd_with /usr/bin/dd "of=$dir/dd/1.log"
}
handed_on() { # sets t1 to when the plugin's file has stopped growing
	local size=0 now
	for ((still = 0; still < 5; still++)); do
		now=$(stat -c %s "$dir/$1"/[0-9]*.log | awk '{ all += $1 } END { print all }')
		[ "$now" = "$size" ] || still=0 t1=$(date +%s%N) size=$now
		sleep 0.2
	done
}
auditd_with() { # program arguments: auditd and its plugin
	mkdir -p "$dir/plugins.d"
	printf 'active = yes\npath = %s\ntype = always\nargs = %s\nformat = string\n' "$1" "$2" >"$dir/plugins.d/plugin.conf"
	chmod 640 "$dir/plugins.d/plugin.conf"
	start_auditd
}
start_rawreader() { "$dir/bin/rawreader" "$dir/rawreader.log" 9>&- & }
start_recording() {
	mkdir -p -m 700 "$dir/recording" "$dir/state"
	"$dir/bin/capture" "$dir/recording" "$dir/state" 2>"$dir/recording.err" 9>&- &
}
start_auditbridge() {
	cat >"$dir/auditbridge.toml" <<-CONF
		journal-dir = "$dir/auditbridge"
		state-dir = "$dir/state"
		run-dir = "$run"
		[audit]
		source = "kernel"
	CONF
	mkdir -p -m 700 "$dir/auditbridge" "$dir/state"
	"$dir/bin/auditbridge" run --config "$dir/auditbridge.toml" 2>"$dir/auditbridge.err" 9>&- &
}
stored() { # events in the reader's file
	case $1 in
	recording | auditbridge | plugin | dd) cat "$dir/$1"/[0-9]*.log ;;
	*) cat "$dir/$1.log" ;;
	esac | grep -a -o ' a0=f423f ' | wc -l
}

measure() { # name
	local t0 t1 cpu=0 before lost0 pid
	rm -rf "$dir"/*.log "$dir/recording" "$dir/auditbridge" "$dir/plugin" "$dir/dd" "$dir/plugins.d" "$dir/state"
	auditctl -D >/dev/null
	auditctl -b 8192 >/dev/null
	"start_$1"
	reader=$!
	until [ "$(status pid)" = "$reader" ]; do sleep 0.1; kill -0 "$reader" || { cat "$dir/$1.err"; exit 1; } >&2; done
	auditctl -e 1 >/dev/null
	auditctl -a always,exit -F arch=b64 -S getpgid -F a0=999999 -k bench >/dev/null
	sleep 0.5
	lost0=$(status lost)
	before=$(ticks "$reader")
	for pid in $(children "$reader"); do before=$((before + $(ticks "$pid"))); done
	t0=$(date +%s%N)
	"$dir/bin/gen" "$events" >/dev/null
	until [ "$(status backlog)" -le 2 ]; do sleep 0.01; done
	case $1 in
	plugin | dd) handed_on "$1" ;;
	*) t1=$(date +%s%N) ;;
	esac
	sleep 1
	cpu=$(ticks "$reader")
	for pid in $(children "$reader"); do cpu=$((cpu + $(ticks "$pid"))); done
	local lost=$(($(status lost) - lost0))
	auditctl -D >/dev/null
	kill "$reader"
	wait "$reader" || true
	reader=
	auditctl -e 0 >/dev/null
	printf '%-12s %7d events/s  %5.2f us CPU/event  lost %d  stored %d of %d\n' "$1" $((events * 1000000 / ((t1 - t0) / 1000))) \
		"$(echo "scale=3; ($cpu - $before) * 10000 / $events" | bc)" "$lost" "$(stored "$1")" "$events"
}

for _ in $(seq "$rounds"); do
	for name in ${READERS:-auditd rawreader recording auditbridge}; do
		measure "$name"
	done
done
