# Sourced: a stock auditd that keeps what it hears in a directory of its own.
auditd_in() { # directory; goes on in the background
	mkdir -p "$1/plugins.d"
	cat >"$1/auditd.conf" <<-CONF
		local_events = yes
		write_logs = yes
		log_file = $1/auditd.log
		log_group = root
		log_format = RAW
		flush = INCREMENTAL_ASYNC
		freq = 50
		max_log_file = 4000
		num_logs = 2
		max_log_file_action = ignore
		space_left = 75
		space_left_action = syslog
		admin_space_left = 50
		admin_space_left_action = suspend
		disk_full_action = suspend
		disk_error_action = syslog
		plugin_dir = $1/plugins.d
		q_depth = 20000
	CONF
	auditd -n -c "$1" 9>&- &
}
