package summary

import (
	"bytes"

	"auditbridge/auditbridge"
)

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
	dst = appendText(dst, a.record, exe)
	path := len(dst)
	if comm.Value != nil {
		dst = appendText(dst, a.record, comm)
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
