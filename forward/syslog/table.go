package syslog

import "auditbridge/auditbridge"

// param is a parameter of structured data and the field it is made of.
type param struct {
	name    string
	key     string
	meaning string
	repeats bool
	index   uint
}

// eventParams come first in every message and name the event.
var eventParams = []param{
	{name: "journal", meaning: "identifier of the journal; with first and last it tells duplicates"},
	{name: "sequence", meaning: "number of the record in the journal (format audit only)"},
	{name: "first", meaning: "number of the event's first record in the journal"},
	{name: "last", meaning: "number of its last record"},
	{name: "records", meaning: "how many records it has"},
	{name: "serial", meaning: "serial of the event, the kernel's"},
	{name: "type", meaning: "type of the record that decides"},
	{name: "class", meaning: "login, config-change, session, system or alarm"},
	{name: "result", meaning: "success or fail; absent when the event does not say"},
	{name: "reason", meaning: "why it failed"},
	{name: "ended", meaning: "why the event ended, when neither EOE nor its type ended it: timeout, idle, end-of-stream, limit, late, malformed"},
	{name: "doubtful", meaning: "yes: not understood or not whole, so it passed every filter"},
	{name: "text", meaning: "what one of our own records says"},
	{name: "line", meaning: "a line that is no audit record, as it stands"},
	{name: "truncated", meaning: "yes: the message reached its bound, more stands in the journal"},
}

// stampedParams are what the kernel or the audit daemon says.
var stampedParams = []param{
	{name: "pid", key: "pid", meaning: "process"},
	{name: "ppid", key: "ppid", meaning: "its parent"},
	{name: "auid", key: "auid", meaning: "login user id, set at login and kept through su and sudo"},
	{name: "uid", key: "uid", meaning: "user id"},
	{name: "gid", key: "gid", meaning: "group id"},
	{name: "euid", key: "euid", meaning: "effective user id"},
	{name: "suid", key: "suid", meaning: "saved user id"},
	{name: "fsuid", key: "fsuid", meaning: "file system user id"},
	{name: "egid", key: "egid", meaning: "effective group id"},
	{name: "sgid", key: "sgid", meaning: "saved group id"},
	{name: "fsgid", key: "fsgid", meaning: "file system group id"},
	{name: "tty", key: "tty", meaning: "terminal of the process"},
	{name: "ses", key: "ses", meaning: "login session"},
	{name: "comm", key: "comm", meaning: "program name, as the process has it"},
	{name: "exe", key: "exe", meaning: "program file"},
	{name: "subj", key: "subj", meaning: "security label of the process"},
	{name: "key", key: "key", meaning: "key of the audit rule that matched (several are joined by a control character)"},
	{name: "arch", key: "arch", meaning: "system call table (hex, AUDIT_ARCH_*)"},
	{name: "syscall", key: "syscall", meaning: "system call number"},
	{name: "success", key: "success", meaning: "whether the system call succeeded: yes or no"},
	{name: "exit", key: "exit", meaning: "what the system call returned"},
	{name: "a0", key: "a0", meaning: "first argument of the system call (hex)"},
	{name: "a1", key: "a1", meaning: "second argument of the system call (hex)"},
	{name: "a2", key: "a2", meaning: "third argument of the system call (hex)"},
	{name: "a3", key: "a3", meaning: "fourth argument of the system call (hex)"},
	{name: "per", key: "per", meaning: "personality of the process (hex)"},
	{name: "uring-op", key: "uring_op", meaning: "io_uring operation"},
	{name: "old-auid", key: "old-auid", meaning: "login user id before"},
	{name: "old-ses", key: "old-ses", meaning: "login session before"},
	{name: "op", key: "op", meaning: "what was done"},
	{name: "list", key: "list", meaning: "rule list that changed"},
	{name: "old", key: "old", meaning: "value before"},
	{name: "new", key: "new", meaning: "value after"},
	{name: "feature", key: "feature", meaning: "audit feature that changed"},
	{name: "audit-enabled", key: "audit_enabled", meaning: "new value of the audit setting"},
	{name: "audit-pid", key: "audit_pid", meaning: "new value of the audit setting"},
	{name: "audit-failure", key: "audit_failure", meaning: "new value of the audit setting"},
	{name: "audit-rate-limit", key: "audit_rate_limit", meaning: "new value of the audit setting"},
	{name: "audit-backlog-limit", key: "audit_backlog_limit", meaning: "new value of the audit setting"},
	{name: "audit-backlog-wait-time", key: "audit_backlog_wait_time", meaning: "new value of the audit setting"},
	{name: "nl-mcgrp", key: "nl-mcgrp", meaning: "netlink multicast group of an audit listener"},
	{name: "table", key: "table", meaning: "netfilter table"},
	{name: "family", key: "family", meaning: "protocol or address family"},
	{name: "entries", key: "entries", meaning: "netfilter entries"},
	{name: "module", key: "module", meaning: "module of the device mapper"},
	{name: "kmod", key: "kmod", meaning: "kernel module asked for"},
	{name: "prog-id", key: "prog-id", meaning: "BPF program"},
	{name: "dev", key: "dev", meaning: "device"},
	{name: "prom", key: "prom", meaning: "promiscuous mode after"},
	{name: "old-prom", key: "old_prom", meaning: "promiscuous mode before"},
	{name: "saddr", key: "saddr", meaning: "socket address (hex)"},
	{name: "cwd", key: "cwd", meaning: "working directory"},
	{name: "proctitle", key: "proctitle", meaning: "command line, its first 128 bytes"},
	{name: "argc", key: "argc", meaning: "number of arguments"},
	{name: "sig", key: "sig", meaning: "signal"},
	{name: "code", key: "code", meaning: "seccomp action (hex)"},
	{name: "ip", key: "ip", meaning: "instruction pointer (hex)"},
	{name: "opid", key: "opid", meaning: "process of the object, such as one a signal was sent to"},
	{name: "oauid", key: "oauid", meaning: "its login user id"},
	{name: "ouid", key: "ouid", meaning: "owner of the object"},
	{name: "oses", key: "oses", meaning: "its login session"},
	{name: "ocomm", key: "ocomm", meaning: "its program name"},
	{name: "obj", key: "obj", meaning: "security label of the object"},
	{name: "resp", key: "resp", meaning: "fanotify's answer: 1 allows, 2 denies"},
	{name: "scontext", key: "scontext", meaning: "security label of the source"},
	{name: "tcontext", key: "tcontext", meaning: "security label of the target"},
	{name: "tclass", key: "tclass", meaning: "class of the target"},
	{name: "permissive", key: "permissive", meaning: "1 when a denial was not enforced"},
	{name: "apparmor", key: "apparmor", meaning: "AppArmor's decision"},
	{name: "operation", key: "operation", meaning: "what AppArmor decided on"},
	{name: "profile", key: "profile", meaning: "AppArmor profile"},
	{name: "requested-mask", key: "requested_mask", meaning: "what was asked for"},
	{name: "denied-mask", key: "denied_mask", meaning: "what was denied"},
	{name: "capability", key: "capability", meaning: "capability number"},
	{name: "capname", key: "capname", meaning: "capability name"},
	{name: "info", key: "info", meaning: "AppArmor's remark"},
	{name: "ino", key: "ino", meaning: "inode"},
	{name: "src", key: "src", meaning: "source port"},
	{name: "daddr", key: "daddr", meaning: "destination address"},
	{name: "dest", key: "dest", meaning: "destination port"},
	{name: "laddr", key: "laddr", meaning: "local address"},
	{name: "lport", key: "lport", meaning: "local port"},
	{name: "faddr", key: "faddr", meaning: "foreign address"},
	{name: "fport", key: "fport", meaning: "foreign port"},
	{name: "netif", key: "netif", meaning: "network interface"},
	{name: "error-msg", key: "error_msg", meaning: "message of the device mapper"},
	{name: "lsm", key: "lsm", meaning: "security module"},
	{name: "enforcing", key: "enforcing", meaning: "new mode"},
	{name: "old-enforcing", key: "old_enforcing", meaning: "mode before"},
	{name: "bool", key: "bool", meaning: "SELinux boolean"},
	{name: "val", key: "val", meaning: "its value after"},
	{name: "old-val", key: "old_val", meaning: "its value before"},
	{name: "policy-name", key: "policy_name", meaning: "IPE policy"},
	{name: "domain", key: "domain", meaning: "Landlock domain"},
	{name: "blockers", key: "blockers", meaning: "what Landlock refused"},
	{name: "state", key: "state", meaning: "state of the audit daemon"},
	{name: "ver", key: "ver", meaning: "version of the audit daemon"},
	{name: "format", key: "format", meaning: "log format of the audit daemon"},
	{name: "kernel", key: "kernel", meaning: "kernel release"},
	{name: "cause", key: "cause", meaning: "cause of an integrity event"},
	{name: "sec", key: "sec", meaning: "seconds the clock was set by"},
	{name: "nsec", key: "nsec", meaning: "nanoseconds the clock was set by"},
	{name: "kernel-reason", key: "reason", meaning: "reason in the kernel's words"},
	{name: "path", key: "name", meaning: "a path or a name the event is about", repeats: true},
	{name: "path", key: "path", meaning: "a path or a name the event is about", repeats: true},
	{name: "path-type", key: "nametype", meaning: "its part: NORMAL, PARENT, CREATE, DELETE", repeats: true},
	{name: "permissions", key: "{}", meaning: "SELinux permissions", repeats: true},
	{name: "arg", key: "aN", meaning: "an argument of a program that was started", repeats: true},
	{name: "arg-part", key: "aN[i]", meaning: "a part of an argument too long for one record; parts are in order", repeats: true},
}

// claimedParams are what a program says.
var claimedParams = []param{
	{name: "msg-op", key: "op", meaning: "what the program did"},
	{name: "msg-acct", key: "acct", meaning: "account name"},
	{name: "msg-id", key: "id", meaning: "user or group id concerned"},
	{name: "msg-exe", key: "exe", meaning: "program file"},
	{name: "msg-cmd", key: "cmd", meaning: "command"},
	{name: "msg-cwd", key: "cwd", meaning: "working directory"},
	{name: "msg-hostname", key: "hostname", meaning: "host the request came from, as the program resolved it"},
	{name: "msg-addr", key: "addr", meaning: "address the request came from"},
	{name: "msg-terminal", key: "terminal", meaning: "terminal"},
	{name: "msg-grantors", key: "grantors", meaning: "PAM modules that said yes"},
	{name: "msg-unit", key: "unit", meaning: "service"},
	{name: "msg-comm", key: "comm", meaning: "program name"},
	{name: "msg-data", key: "data", meaning: "data typed"},
	{name: "msg-grp", key: "grp", meaning: "group"},
	{name: "msg-new-group", key: "new_group", meaning: "new group"},
	{name: "msg-new-gid", key: "new_gid", meaning: "new group id"},
	{name: "msg-uid", key: "uid", meaning: "user id concerned"},
	{name: "msg-auid", key: "auid", meaning: "login user id concerned"},
	{name: "msg-kind", key: "kind", meaning: "kind of key"},
	{name: "msg-fp", key: "fp", meaning: "fingerprint of a key"},
	{name: "msg-direction", key: "direction", meaning: "direction of a cryptographic session"},
	{name: "msg-cipher", key: "cipher", meaning: "cipher"},
	{name: "msg-ksize", key: "ksize", meaning: "key size in bits"},
	{name: "msg-mac", key: "mac", meaning: "message authentication code"},
	{name: "msg-pfs", key: "pfs", meaning: "key exchange"},
	{name: "msg-spid", key: "spid", meaning: "process that holds the key"},
	{name: "msg-suid", key: "suid", meaning: "user that holds the key"},
	{name: "msg-rport", key: "rport", meaning: "remote port"},
	{name: "msg-laddr", key: "laddr", meaning: "local address"},
	{name: "msg-lport", key: "lport", meaning: "local port"},
	{name: "msg-reason", key: "reason", meaning: "reason in the program's words"},
	{name: "msg-sw", key: "sw", meaning: "software"},
	{name: "msg-sw-type", key: "sw_type", meaning: "kind of package"},
	{name: "msg-key-enforce", key: "key_enforce", meaning: "whether package signatures are enforced"},
	{name: "msg-gpg-res", key: "gpg_res", meaning: "result of the signature check"},
	{name: "msg-root-dir", key: "root_dir", meaning: "where it was installed"},
	{name: "msg-device", key: "device", meaning: "device"},
	{name: "msg-vm", key: "vm", meaning: "virtual machine"},
	{name: "msg-uuid", key: "uuid", meaning: "its identifier"},
	{name: "msg-virt", key: "virt", meaning: "kind of virtualization"},
	{name: "msg-resrc", key: "resrc", meaning: "resource"},
	{name: "msg-scontext", key: "scontext", meaning: "security label of the source"},
	{name: "msg-tcontext", key: "tcontext", meaning: "security label of the target"},
	{name: "msg-tclass", key: "tclass", meaning: "class of the target"},
	{name: "msg-permissive", key: "permissive", meaning: "1 when a denial was not enforced"},
	{name: "msg-default-context", key: "default-context", meaning: "label by default"},
	{name: "msg-selected-context", key: "selected-context", meaning: "label chosen"},
	{name: "msg-old-context", key: "old-context", meaning: "label before"},
	{name: "msg-new-context", key: "new-context", meaning: "label after"},
	{name: "msg-old-level", key: "old-level", meaning: "level before"},
	{name: "msg-new-level", key: "new-level", meaning: "level after"},
	{name: "msg-old-seuser", key: "old-seuser", meaning: "SELinux user before"},
	{name: "msg-new-seuser", key: "new-seuser", meaning: "SELinux user after"},
	{name: "msg-old-role", key: "old-role", meaning: "role before"},
	{name: "msg-new-role", key: "new-role", meaning: "role after"},
	{name: "msg-old-range", key: "old-range", meaning: "range before"},
	{name: "msg-new-range", key: "new-range", meaning: "range after"},
	{name: "msg-interface", key: "interface", meaning: "D-Bus interface"},
	{name: "msg-member", key: "member", meaning: "D-Bus member"},
	{name: "msg-apparmor", key: "apparmor", meaning: "AppArmor's decision"},
	{name: "msg-operation", key: "operation", meaning: "what AppArmor decided on"},
	{name: "msg-profile", key: "profile", meaning: "AppArmor profile"},
	{name: "msg-path", key: "path", meaning: "path"},
	{name: "msg-name", key: "name", meaning: "name"},
	{name: "msg-label", key: "label", meaning: "label"},
	{name: "msg-printer", key: "printer", meaning: "printer"},
	{name: "msg-uri", key: "uri", meaning: "printer's address"},
	{name: "msg-function", key: "function", meaning: "what was called"},
	{name: "msg-permissions", key: "{}", meaning: "SELinux permissions", repeats: true},
	{name: "msg-text", key: "msg", meaning: "a program's whole message, when some of it has no parameter of its own", repeats: true},
}

var (
	stampedByKey = byKey(stampedParams, 0)
	claimedByKey = byKey(claimedParams, len(stampedParams))
)

func byKey(params []param, index int) map[string]*param {
	m := make(map[string]*param, len(params))
	for i := range params {
		p := &params[i]
		p.index = uint(index + i)
		m[p.key] = p
	}
	return m
}

const typeExecve auditbridge.RecordType = 1309

// stampedParam returns the parameter of a stamped field, nil for none.
func stampedParam(f *auditbridge.Fields, t auditbridge.RecordType) *param {
	if t != typeExecve || len(f.Key) < 2 || f.Key[0] != 'a' || f.Key[1] < '0' || f.Key[1] > '9' {
		return paramOf(stampedByKey, f)
	}
	switch f.Key[len(f.Key)-1] {
	case ']':
		return stampedByKey["aN[i]"]
	case 'n': // a3_len=
		return nil
	}
	return stampedByKey["aN"]
}

func paramOf(m map[string]*param, f *auditbridge.Fields) *param {
	if f.Form == auditbridge.Braced && len(f.Key) == 0 {
		return m["{}"]
	}
	return m[string(f.Key)]
}
