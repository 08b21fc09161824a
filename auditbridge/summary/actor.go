package summary

import (
	"bytes"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
)

// actor is who acted, as the kernel stamped it.
type actor struct {
	record  *auditbridge.Record // that has the ids
	login   auditbridge.Fields  // at the login user's id; no value when there is none
	uid     auditbridge.Fields  // at the id acted under, likewise
	session []byte
	asked   bool // the record has a field for the session
	pid     []byte
	tty     []byte
	key     auditbridge.Fields // at the rule's keys
	exe     auditbridge.Fields
	comm    auditbridge.Fields
}

// findActor reads the ids from the system call, which has them all, else from
// the record that decides.
func (s *sentence) findActor() actor {
	r := s.call
	if r == nil || s.deciding.Type == typeLogin || r.Type == typeUringop {
		r = s.deciding
	}
	a := readActor(r)
	if s.deciding.Type == typeLogin {
		a.before()
	}
	if s.call != nil && r != s.call {
		call := readActor(s.call)
		a.exe, a.comm, a.tty, a.key = call.exe, call.comm, call.tty, call.key
		if a.uid.Value == nil {
			a.uid, a.record = call.uid, s.call
		}
	}
	return a
}

// readActor reads one record. euid stands behind uid: the effective one holds.
func readActor(r *auditbridge.Record) actor {
	a := actor{record: r}
	for f := r.Stamped(); f.Next(); {
		switch string(f.Key) {
		case "auid":
			keep(&a.login, &f)
		case "uid", "euid":
			keep(&a.uid, &f)
		case "exe":
			keep(&a.exe, &f)
		case "comm":
			keep(&a.comm, &f)
		case "key":
			keep(&a.key, &f)
		case "pid":
			a.pid = said(f.Value)
		case "tty":
			a.tty = said(f.Value)
		case "ses":
			a.session, a.asked = said(f.Value), true
		}
	}
	return a
}

// keep notes where a field stands that says something.
func keep(field, f *auditbridge.Fields) {
	if said(f.Value) != nil {
		*field = *f
	}
}

// said returns a value, nil when it says nothing.
func said(v []byte) []byte {
	if auditbridge.IsPlaceholder(v) || string(v) == "unset" {
		return nil
	}
	return v
}

// before makes a LOGIN record's actor what it was: auid and ses are what it
// became. Old kernels wrote "old auid=… new auid=…".
func (a *actor) before() {
	a.login, a.session = auditbridge.Fields{}, nil
	f := a.record.Stamped()
	if old := f; old.Find("old-auid") {
		if !auditbridge.IsPlaceholder(old.Value) {
			a.login = old
		}
		if old = f; old.Find("old-ses") && !auditbridge.IsPlaceholder(old.Value) {
			a.session = old.Value
		}
		return
	}
	if f.Find("auid") && !auditbridge.IsPlaceholder(f.Value) {
		if second := f; second.Find("auid") {
			a.login = f
		}
	}
}

// appendActor begins the sentence: who, and as whom. Only a login user has a
// session behind the name; only what the kernel stamped can be one.
func (s *sentence) appendActor(dst []byte) []byte {
	a := &s.actor
	switch {
	case a.login.Value != nil:
		dst = s.appendUser(dst, "User ", a.record, &a.login)
		dst = a.appendSession(dst)
	case s.event.Own():
		return append(dst, "auditbridge"...)
	case s.namesProgram():
		dst = s.appendProgramName(dst, "Program ")
	case a.pid != nil:
		dst = appendWord(append(dst, "Process "...), a.pid)
	case s.message:
		dst = append(dst, "A program"...)
	case 1200 <= s.deciding.Type && s.deciding.Type < 1300:
		dst = append(dst, "Somebody"...)
	case strings.HasPrefix(s.row.done, "was "):
		dst = append(dst, "A process"...)
	default:
		dst = append(dst, "The kernel"...)
	}
	if a.uid.Value == nil || bytes.Equal(a.uid.Value, a.login.Value) {
		return dst
	}
	dst = s.appendUser(append(dst, ", as "...), "user ", a.record, &a.uid)
	return append(dst, ',')
}

// appendSession appends the session; kernels before 2.6.25 have none in records.
func (a *actor) appendSession(dst []byte) []byte {
	switch {
	case a.session != nil:
		return append(appendWord(append(dst, " (session "...), a.session), ')')
	case a.asked:
		return append(dst, " (no session)"...)
	}
	return append(dst, " (session unknown)"...)
}

// namesProgram reports whether the program is the one that acted: what a
// successful execve names is what it ran.
func (s *sentence) namesProgram() bool {
	if s.ran() {
		return false
	}
	return s.actor.exe.Value != nil || s.actor.comm.Value != nil || s.claims.exe.Value != nil
}

// ran reports whether the program of the system call is the one it started.
func (s *sentence) ran() bool {
	return s.row.runs && s.verdict.Result != auditbridge.Fail
}

// appendProgram says with which program, unless the sentence began with it or
// told already that it ran.
func (s *sentence) appendProgram(dst []byte) []byte {
	if s.event.Own() {
		return dst
	}
	if s.ran() {
		if s.actor.exe.Value == nil || s.ranItself() {
			return dst
		}
		return appendValue(append(dst, " with "...), s.actor.record, &s.actor.exe)
	}
	if s.actor.login.Value == nil || !s.namesProgram() {
		return dst
	}
	return s.appendProgramName(append(dst, " with "...), "program ")
}

// appendProgramName appends the program's path and, where that says more, what
// its task is called: scripts run in an interpreter. Lead stands before a name
// that is no path.
func (s *sentence) appendProgramName(dst []byte, lead string) []byte {
	a := &s.actor
	exe, comm := &a.exe, &a.comm
	if exe.Value == nil && s.message {
		exe, comm = &s.claims.exe, &s.claims.comm
	}
	if exe.Value == nil {
		return appendValue(append(dst, lead...), a.record, comm)
	}
	start := len(dst)
	dst = exe.AppendDecoded(dst, a.record.Type)
	path := len(dst)
	if comm.Value != nil {
		dst = comm.AppendDecoded(dst, a.record.Type)
	}
	says := !bytes.HasPrefix(base(dst[start:path]), dst[path:])
	isPath := path > start && dst[start] == '/'
	dst = dst[:start]
	if !isPath {
		dst = append(dst, lead...)
	}
	dst = appendValue(dst, a.record, exe)
	if !says {
		return dst
	}
	dst = appendValue(append(dst, " ("...), a.record, comm)
	return append(dst, ')')
}

// base is the last element of a path.
func base(path []byte) []byte { return path[bytes.LastIndexByte(path, '/')+1:] }

// appendUser appends the user, or the group, whose id f stands at: by name, else
// lead and the id. Id 0 is root everywhere; one that says "none", such as -1 in
// an argument, is left out.
func (s *sentence) appendUser(dst []byte, lead string, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst, ok := s.in.AppendValue(dst, s.event, r, f)
	if string(dst[start:]) == "unset" {
		return dst[:start]
	}
	if named := bytes.Trim(dst[start:], "0123456789"); ok && len(named) > 0 {
		return quoteFrom(dst, start)
	}
	dst = dst[:start]
	id, ok := readID(r, f)
	switch {
	case !ok:
		return appendWord(dst, bytes.TrimRight(f.Value, ":,"))
	case id == auditbridge.Unset:
		return dst
	case id == 0:
		return append(dst, "root"...)
	}
	return strconv.AppendUint(append(dst, lead...), id, 10)
}

// readID reads an id: hex in an argument of a system call, else decimal.
func readID(r *auditbridge.Record, f *auditbridge.Fields) (uint64, bool) {
	if isArgument(r, f.Key) {
		id, ok := readNumber(f.Value, 16)
		return id & (1<<32 - 1), ok
	}
	return readNumber(bytes.TrimRight(f.Value, ":,"), 10)
}

// isArgument knows a0 to a3 of a system call.
func isArgument(r *auditbridge.Record, key []byte) bool {
	return r.Type == typeSyscall && len(key) == 2 && key[0] == 'a' && '0' <= key[1] && key[1] <= '9'
}

// readNumber reads digits of a base up to 16.
func readNumber(v []byte, base uint64) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 16 {
		return 0, false
	}
	for _, c := range v {
		d := uint64(16)
		switch {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		}
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}
