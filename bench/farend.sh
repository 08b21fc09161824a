# Sourced by latency.sh and load.sh: `auditbridge run` on this machine's kernel, and a far end made of a stock sshd and stock rsyslogs, all in
# one directory and on loopback. As root, nothing else owning kernel audit; kernel audit is left disabled and without rules.
cd "$(dirname "$0")/.."
exec 9>>/run/lock/auditbridge-audit.lock
flock 9
[ "$(auditctl -s | awk '$1 == "pid" { print $2 }')" = 0 ] || { echo "$0: kernel audit is owned by another process" >&2; exit 1; }
dir=$(mktemp -d)
run=$(mktemp -d -p /run) # the ring belongs into memory, as in /run/auditbridge
chmod 755 "$dir" # ship, another user, reads its keys there
started=
bridge=
finish() {
	[ -z "$bridge" ] || { kill "$bridge" && wait "$bridge"; } 2>/dev/null || true
	auditctl -D >/dev/null 2>&1 || true
	auditctl -e 0 >/dev/null 2>&1 || true
	for pid in $started; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$dir" "$run"
}
trap finish EXIT
mkdir "$dir/bin"
go build -o "$dir/bin/" ./bench/arrivals ./bench/deaf ./bench/unload ./cmd/auditbridge ./internal/audittest/gen

free_port() {
	local port
	while port=$((12000 + RANDOM % 20000)) && ss -ltn | grep -q ":$port "; do :; done
	echo "$port"
}
until_listening() { until ss -ltn | grep -q "127.0.0.1:$1 "; do sleep 0.05; done; }

start_sshd() { # sets ssh_port
	mkdir -p /run/sshd
	ssh_port=$(free_port)
	for key in id host; do ssh-keygen -q -t ed25519 -N '' -f "$dir/$key"; done
	echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$dir/host.pub")" >"$dir/known_hosts"
	chown nobody: "$dir/id"
	cat >"$dir/sshd_config" <<-CONF
		Port $ssh_port
		ListenAddress 127.0.0.1
		HostKey $dir/host
		AuthorizedKeysFile $dir/id.pub
		PidFile none
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		PermitRootLogin prohibit-password
	CONF
	"$(command -v sshd)" -D -f "$dir/sshd_config" 9>&- &
	started="$started $!"
	until_listening "$ssh_port"
}

start_rsyslog() { # NAME; sets syslog_port, writes what it receives to $dir/NAME.received
	syslog_port=$(free_port)
	cat >"$dir/$1.conf" <<-CONF
		global(workDirectory="$dir" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
		module(load="imtcp")
		template(name="asItCame" type="string" string="%rawmsg%\n")
		ruleset(name="keep" queue.type="direct") { action(type="omfile" file="$dir/$1.received" template="asItCame") }
		input(type="imtcp" address="127.0.0.1" port="$syslog_port" ruleset="keep")
	CONF
	rsyslogd -n -f "$dir/$1.conf" -i "$dir/$1.pid" 9>&- &
	started="$started $!"
	until_listening "$syslog_port"
}

configure() { # nothing yet but where things are kept; the folder is watched, so that of what is written all the time is another
	mkdir -p -m 700 "$dir/etc"
	cat >"$dir/etc/auditbridge.toml" <<-CONF
		journal-dir = "$dir/journal"
		state-dir = "$dir/state"
		run-dir = "$run"
		ship-user = "nobody"
	CONF
}
add_destination() { # NAME FORMAT PORT
	cat >>"$dir/etc/auditbridge.toml" <<-CONF
		[[remote-logging-server]]
		name = "$1"
		address = "127.0.0.1"
		port = $3
		protocol = "tcp"
		format = "$2"
		start = "oldest"
	CONF
}
add_tunnelled() { # NAME FORMAT PORT: through the sshd, a local port of the same number
	add_destination "$1" "$2" "$3"
	cat >>"$dir/etc/auditbridge.toml" <<-CONF
		[[port-forwarding]]
		name = "$1-tunnel"
		server-address = "127.0.0.1"
		server-port = $ssh_port
		remote-host = "127.0.0.1"
		remote-port = $3
		local-address = "127.0.0.1"
		local-port = $3
		user = "root"
		identity-file = "$dir/id"
		known-hosts = "$dir/known_hosts"
	CONF
}

start_bridge() { # sets bridge and ship
	"$dir/bin/auditbridge" run --config "$dir/etc/auditbridge.toml" 2>"$dir/auditbridge.err" 9>&- &
	bridge=$!
	until [ "$(bridge_status | grep -c '"connected":true')" -ge 1 ]; do
		sleep 0.1
		kill -0 "$bridge" || { cat "$dir/auditbridge.err"; exit 1; } >&2
	done
	ship=$(pgrep -P "$bridge" -f 'auditbridge ship') # the deputy is run's child, too
}
stop_bridge() { # ship delivers what is left
	kill "$bridge"
	wait "$bridge" || { cat "$dir/auditbridge.err"; exit 1; } >&2
	bridge=
}
bridge_status() { "$dir/bin/auditbridge" status --json --config "$dir/etc/auditbridge.toml" | tr -d ' \n'; }
kernel_status() { auditctl -s | awk -v key="$1" '$1 == key { print $2 }'; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
