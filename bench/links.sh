#!/bin/bash
# Records from a log until all of them are on the receiver's disk, over links that acknowledge, each against the stock sender of the same protocol in
# the same run: RELP through SSH against rsyslog's RELP in clear (window 1000: with its default of 128 it waits), both to a stock rsyslog; auditd's protocol against audisp-remote, both to a stock
# auditd, on loopback and with a round trip of 20 ms. Fails when a record is missing. usage: bench/links.sh [RECORDS [ROUNDS]], as root; kernel audit
# is not touched.
set -eu
cd "$(dirname "$0")/.."
records=${1:-400000} rounds=${2:-3}
dir=$(mktemp -d)
chmod 755 "$dir" # ship, another user, reads its keys there
started=
finish() {
	for pid in $started ${bridge:-}; do kill "$pid" 2>/dev/null || true; done
	sleep 0.5
	umount "$dir"/*/log 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT
CGO_ENABLED=0 go build -trimpath -o "$dir/" ./cmd/auditbridge ./bench/delay
free_port() {
	local port
	while port=$((12000 + RANDOM % 20000)) && ss -ltn | grep -q ":$port "; do :; done
	echo "$port"
}
until_listening() { until ss -ltn | grep -q ":$1 "; do sleep 0.05; done; }
now() { date +%s%N; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

make_log() { # RECORDS FILE: SYSCALL and PROCTITLE, as auditd writes them; EOE is what audisp-remote leaves out
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i++) {
			id = sprintf("msg=audit(1709742929.%03d:%d): ", int(i / 2000) % 1000, int(i / 2) + 1)
			if (i % 2 == 0) print "type=SYSCALL " id "arch=c000003e syscall=121 success=no exit=-3 a0=f423f a1=0 a2=0 a3=0 items=0 ppid=3021 pid=3025 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm=\"gen\" exe=\"/tmp/bench/gen\" key=\"bench\""
			else print "type=PROCTITLE " id "proctitle=2F746D702F62656E63682F67656E0032303030303000"
		} }' >"$2"
}

# Receivers: each writes what it gets to $dir/NAME/…; port is where it listens.
start_sshd() {
	mkdir -p /run/sshd
	ssh_port=$(free_port)
	for key in id host; do ssh-keygen -q -t ed25519 -N '' -f "$dir/$key"; done
	echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$dir/host.pub")" >"$dir/known_hosts"
	chown nobody: "$dir/id"
	printf '%s\n' "Port $ssh_port" "ListenAddress 127.0.0.1" "HostKey $dir/host" "AuthorizedKeysFile $dir/id.pub" "PidFile none" "StrictModes no" \
		"UsePAM no" "PasswordAuthentication no" "PermitRootLogin prohibit-password" >"$dir/sshd_config"
	"$(command -v sshd)" -D -f "$dir/sshd_config" &
	started="$started $!"
	until_listening "$ssh_port"
}
start_relp_receiver() { # NAME
	mkdir "$dir/$1"
	port=$(free_port)
	cat >"$dir/$1/conf" <<-CONF
		global(workDirectory="$dir/$1" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
		module(load="imrelp" ruleset="keep")
		template(name="asItCame" type="string" string="%rawmsg%\n")
		ruleset(name="keep" queue.type="direct") { action(type="omfile" file="$dir/$1/received" template="asItCame") }
		input(type="imrelp" address="127.0.0.1" port="$port" maxDataSize="64k")
	CONF
	rsyslogd -n -f "$dir/$1/conf" -i "$dir/$1/pid" &
	receiver=$!
	started="$started $!"
	until_listening "$port"
}
start_auditd_receiver() { # NAME
	mkdir -p "$dir/$1/log" "$dir/$1/plugins.d"
	port=$(free_port)
	cat >"$dir/$1/auditd.conf" <<-CONF
		local_events = no
		write_logs = yes
		log_file = $dir/$1/log/audit.log
		log_format = RAW
		flush = incremental_async
		freq = 100
		max_log_file_action = ignore
		plugin_dir = $dir/$1/plugins.d
		space_left = 2
		space_left_action = ignore
		admin_space_left = 1
		admin_space_left_action = ignore
		disk_full_action = ignore
		disk_error_action = ignore
		tcp_listen_port = $port
		tcp_max_per_addr = 100
		tcp_client_max_idle = 0
		use_libwrap = no
	CONF
	# Its pid file is another one than a real auditd's.
	unshare --mount --propagation private sh -c "mount -t tmpfs tmpfs /run && exec auditd -n -c $dir/$1" 2>/dev/null &
	receiver=$!
	started="$started $!"
	until_listening "$port"
}

# wait_for FILE LINES SERIAL [SECONDS]: until the log's last event has come (its serial is looked for near the end only, before records of our own: counting costs the receiver its
# core), and so many lines about the log's events are there.
wait_for() {
	local t0 n=0
	t0=$(now)
	until tail -c 65536 "$1" 2>/dev/null | grep -a -q -E "audit\(1709742929\.[0-9]+:$3\)|serial=\"$3\"" &&
		n=$(grep -a -c -E 'audit\(1709742929|event="1709742929|serial="' "$1") && [ "$n" -ge "$2" ]; do
		sleep 0.02
		[ $((($(now) - t0) / 1000000000)) -lt "${4:-180}" ] || { echo "only $n of $2 lines came" >&2; cat "$dir"/*.said >&2; exit 1; }
	done
}
report() { # WHAT RECORDS NANOSECONDS [CPU-TICKS]
	echo "$1: $2 records in $(($3 / 1000000)) ms: $(($2 * 1000000 / ($3 / 1000))) records/s${4:+, $(($4 * 10000000 / $2)) ns CPU/record at the sender}"
	last=$(($2 * 1000000 / ($3 / 1000)))
}

# Our sender: a journal that holds the log already, and a destination that begins with its oldest record.
prepare_journal() { # NAME LOG
	mkdir "$dir/$1"
	printf 'journal-dir = "%s/journal"\nstate-dir = "%s/state"\nrun-dir = "%s/run"\nship-user = "nobody"\n[audit]\nsource = "file:%s"\n' \
		"$dir/$1" "$dir/$1" "$dir/$1" "$2" >"$dir/$1/toml"
	"$dir/auditbridge" run --config "$dir/$1/toml" 2>"$dir/$1.said" &
	bridge=$!
	until [ "$(cat "$dir/$1"/journal/0*.log 2>/dev/null | grep -a -c 'audit(1709742929' || true)" -ge "$(wc -l <"$2")" ]; do sleep 0.2; done
	kill "$bridge"
	wait "$bridge" || true
	bridge=
}
send_ours() { # NAME LINES FILE FORMAT SETTINGS: the whole log
	printf '[[remote-logging-server]]\nname = "far"\naddress = "127.0.0.1"\nformat = "%s"\nstart = "oldest"\n%s' "$4" "$5" >>"$dir/$1/toml"
	local t0 ship
	t0=$(now)
	"$dir/auditbridge" run --config "$dir/$1/toml" 2>"$dir/$1.said" &
	bridge=$!
	wait_for "$3" "$2" $((records / 2))
	took=$(($(now) - t0))
	ship=$(pgrep -P "$bridge" -f 'auditbridge ship')
	used=$(ticks "$ship")
	kill "$bridge"
	wait "$bridge" || true
	bridge=
}
tunnel() { # REMOTE-PORT
	printf 'via = "tunnel"\n[[port-forwarding]]\nname = "tunnel"\nserver-address = "127.0.0.1"\nserver-port = %s\nuser = "root"\nidentity-file = "%s"\nknown-hosts = "%s"\n' \
		"$ssh_port" "$dir/id" "$dir/known_hosts"
}

# The stock senders.
send_rsyslog() { # NAME LOG RECORDS FILE PORT
	mkdir "$dir/$1"
	cat >"$dir/$1/conf" <<-CONF
		global(workDirectory="$dir/$1" maxMessageSize="64k")
		module(load="imfile")
		module(load="omrelp")
		template(name="line" type="string" string="%msg%\n")
		main_queue(queue.size="100000")
		input(type="imfile" file="$2" tag="audit" freshStartTail="off")
		action(type="omrelp" target="127.0.0.1" port="$5" template="line" windowSize="1000")
	CONF
	local t0
	t0=$(now)
	rsyslogd -n -f "$dir/$1/conf" -i "$dir/$1/pid" 2>"$dir/$1.said" &
	local sender=$!
	started="$started $sender"
	wait_for "$4" "$3" $(($3 / 2))
	took=$(($(now) - t0)) used=$(ticks "$sender")
	kill "$sender"
	wait "$sender" || true
}
send_audisp() { # NAME LOG RECORDS FILE PORT
	mkdir "$dir/$1"
	cat >"$dir/$1/audisp-remote.conf" <<-CONF
		remote_server = 127.0.0.1
		port = $5
		transport = tcp
		mode = immediate
		queue_depth = 99999
		format = managed
		network_failure_action = syslog
		overflow_action = syslog
	CONF
	chmod 640 "$dir/$1/audisp-remote.conf"
	local t0
	t0=$(now)
	mkfifo "$dir/$1/in"
	{ cat "$2"; exec sleep 600; } >"$dir/$1/in" 2>/dev/null & # at the end of its input it leaves
	started="$started $!"
	# It reads its configuration in one place only.
	unshare --mount --propagation private sh -c "mount --bind $dir/$1/audisp-remote.conf /etc/audit/audisp-remote.conf && exec audisp-remote" \
		<"$dir/$1/in" 2>"$dir/$1.said" &
	local sender=$!
	started="$started $sender"
	wait_for "$4" "$3" $(($3 / 2))
	took=$(($(now) - t0)) used=$(ticks "$sender")
	kill "$sender" 2>/dev/null || true
	wait "$sender" || true
}
ratio() { echo "$1: $(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.1f", a / b }') × (goal: $4 ×)"; }

make_log "$records" "$dir/log"
few=200 # what audisp-remote needs four seconds for at 20 ms
make_log "$few" "$dir/few"
chmod 644 "$dir/log" "$dir/few"
start_sshd
for round in $(seq "$rounds"); do
	echo "round $round"
	start_relp_receiver "relp-stock$round"
	send_rsyslog "rsyslog$round" "$dir/log" "$records" "$dir/relp-stock$round/received" "$port"
	report "rsyslog, RELP in clear" "$records" "$took" "$used"; stock=$last
	for format in audit rfc5424; do # a message for each record, as rsyslog's; one for each event
		lines=$records
		[ "$format" = audit ] || lines=$((records / 2))
		start_relp_receiver "relp-$format$round"
		prepare_journal "relp-from-$format$round" "$dir/log"
		send_ours "relp-from-$format$round" "$lines" "$dir/relp-$format$round/received" "$format" "port = $port
protocol = \"relp\"
$(tunnel)"
		report "auditbridge, RELP through SSH, $format" "$records" "$took" "$used"
		ratio "RELP through SSH to rsyslog's in clear" "$last" "$stock" 5
	done

	start_auditd_receiver "auditd-stock$round"
	send_audisp "audisp$round" "$dir/log" "$records" "$dir/auditd-stock$round/log/audit.log" "$port"
	report "audisp-remote" "$records" "$took" "$used"; stock=$last
	start_auditd_receiver "auditd-ours$round"
	prepare_journal "auditd$round" "$dir/log"
	send_ours "auditd$round" "$records" "$dir/auditd-ours$round/log/audit.log" audit "port = $port
protocol = \"auditd\"
"
	report "auditbridge, auditd's protocol" "$records" "$took" "$used"
	ratio "auditd's protocol to audisp-remote" "$last" "$stock" 3

	start_auditd_receiver "far-stock$round"
	late=$(free_port)
	"$dir/delay" "$late" "$port" 20ms &
	started="$started $!"
	until_listening "$late"
	send_audisp "far-audisp$round" "$dir/few" "$few" "$dir/far-stock$round/log/audit.log" "$late"
	report "audisp-remote, 20 ms" "$few" "$took"; stock=$last
	start_auditd_receiver "far-ours$round"
	late=$(free_port)
	"$dir/delay" "$late" "$port" 20ms &
	started="$started $!"
	until_listening "$late"
	prepare_journal "far$round" "$dir/log"
	send_ours "far$round" "$records" "$dir/far-ours$round/log/audit.log" audit "port = $late
protocol = \"auditd\"
"
	report "auditbridge, auditd's protocol, 20 ms" "$records" "$took"
	ratio "the same at 20 ms" "$last" "$stock" 1000
done
