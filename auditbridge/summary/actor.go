package summary

import (
	"bytes"
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
