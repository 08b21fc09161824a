package auditbridge

// AppendSummary appends one short sentence about an event, for people:
//
//	Authentication of operator from 192.0.2.4 with /usr/sbin/sshd failed: unknown user.
//
// It holds bytes of the record as they are; who prints it makes it safe.
func AppendSummary(dst []byte, e *Event, v *Verdict) []byte {
	r := &e.Records[v.Deciding]
	if e.End == EndMalformed {
		return append(dst, "A line that is no audit record."...)
	}
	start := len(dst)
	dst = appendWhat(dst, r, v)
	if c := dst[start]; 'a' <= c && c <= 'z' {
		dst[start] = c - 'a' + 'A'
	}
	dst = appendObject(dst, e, r)
	dst = appendPart(dst, " from ", r.Claims(), r.Type, "addr", "hostname")
	dst = appendActor(dst, e, r)
	switch v.Result {
	case Success:
		dst = append(dst, " succeeded"...)
	case Fail:
		dst = append(dst, " failed: "...)
		dst = append(dst, v.Reason...)
	}
	return append(dst, '.')
}

// appendWhat says what happened: a MSGID is written for that; where many types
// share one, the type says more.
func appendWhat(dst []byte, r *Record, v *Verdict) []byte {
	name := v.MsgID
	switch name {
	case "SYSCALL":
		return appendPart(append(dst, "system call"...), " ", r.Stamped(), r.Type, "syscall", "uring_op")
	case "SERVICE", "SYSTEM_STATE", "AUDIT_DAEMON", "ACCOUNT_CHANGE", "GROUP_CHANGE", "ROLE", "ANOMALY", "INTEGRITY", "UNKNOWN":
		dst = appendLower(dst, string(r.TypeName()))
	default:
		dst = appendLower(dst, name)
	}
	if kindOf(r.Type).role == Syscall {
		dst = appendPart(dst, " by system call ", r.Stamped(), r.Type, "syscall", "uring_op")
	}
	return dst
}

func appendLower(dst []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '_':
			dst = append(dst, ' ')
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c-'A'+'a')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendObject says whom or what it concerns.
func appendObject(dst []byte, e *Event, r *Record) []byte {
	n := len(dst)
	if dst = appendPart(dst, " of ", r.Claims(), r.Type, "acct", "unit", "cmd", "grp", "sw", "vm", "id"); len(dst) > n {
		return dst
	}
	if dst = appendPart(dst, ": ", r.Stamped(), r.Type, "op", "operation", "table", "name"); len(dst) > n {
		return dst
	}
	for i := range e.Records {
		if p := &e.Records[i]; p.Type == typePath {
			return appendPart(dst, " on ", p.Stamped(), p.Type, "name")
		}
	}
	return dst
}

const typePath RecordType = 1302

// appendActor says with what program and as whom: the login user where there
// is one, by number, for names are this host's business.
func appendActor(dst []byte, e *Event, r *Record) []byte {
	n := len(dst)
	if dst = appendPart(dst, " with ", r.Claims(), r.Type, "exe"); len(dst) == n {
		if dst = appendPart(dst, " with ", r.Stamped(), r.Type, "exe", "comm"); len(dst) == n {
			if call := syscallOf(e); call != nil {
				dst = appendPart(dst, " with ", call.Stamped(), call.Type, "exe", "comm")
			}
		}
	}
	n = len(dst)
	if dst = appendPart(dst, " by login user ", r.Stamped(), r.Type, "auid"); len(dst) == n {
		dst = appendPart(dst, " by uid ", r.Stamped(), r.Type, "uid")
	}
	return dst
}

// appendPart appends lead and the first of keys, by their order, that says
// something.
func appendPart(dst []byte, lead string, fields Fields, t RecordType, keys ...string) []byte {
	for _, key := range keys {
		f := fields
		if f.Find(key) && !IsPlaceholder(f.Value) {
			dst = append(dst, lead...)
			return f.AppendDecoded(dst, t)
		}
	}
	return dst
}
