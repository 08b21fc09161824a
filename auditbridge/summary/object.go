package summary

import (
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// callOf returns the system call's architecture and number, or its name where
// the record was written with names.
func (s *sentence) callOf() (arch uint32, nr int, name []byte) {
	r := s.call
	f := s.deciding.Stamped()
	if r == nil || s.deciding.Type == typeSyscall {
		r = s.deciding
	}
	f = r.Stamped()
	for f.Next() {
		switch string(f.Key) {
		case "arch":
			n, _ := readNumber(f.Value, 16)
			arch = uint32(n)
		case "syscall":
			n, ok := readNumber(f.Value, 10)
			if !ok {
				return arch, -1, f.Value
			}
			return arch, int(n), nil
		}
	}
	return arch, -1, nil
}

// callEntry returns the rows of the system call, nil when it has none.
func (s *sentence) callEntry() *entry {
	arch, nr, name := s.callOf()
	if name == nil {
		return verbs().syscalls[interpret.SyscallName(arch, nr)]
	}
	return verbs().syscalls[string(name)]
}

func (s *sentence) appendCall(dst []byte) []byte {
	arch, nr, name := s.callOf()
	if name != nil {
		return appendWord(dst, name)
	}
	if nr < 0 {
		return dst
	}
	if known := interpret.SyscallName(arch, nr); known != "" {
		return append(dst, known...)
	}
	return strconv.AppendInt(append(dst, "system call "...), int64(nr), 10)
}

// permissions returns what stands in braces, nil when nothing does.
func (s *sentence) permissions() []byte {
	for f := s.fields(); f.Next(); {
		if f.Form == auditbridge.Braced && len(f.Value) > 0 {
			return f.Value
		}
	}
	return nil
}

// appendAllowed appends the permissions, with commas between.
func (s *sentence) appendAllowed(dst []byte) []byte {
	allowed := s.permissions()
	if allowed == nil {
		return dst
	}
	start := len(dst)
	dst = append(dst, allowed[:min(len(allowed), maxWord+1)]...)
	for i := start; i < len(dst); i++ {
		if dst[i] == ' ' {
			dst[i] = ','
		}
	}
	return quoteFrom(dst, start)
}

// appendTarget appends the process that a signal or a trace was for.
func (s *sentence) appendTarget(dst []byte) []byte {
	for i := range s.event.Records {
		r := &s.event.Records[i]
		if r.Type != typeObjPid {
			continue
		}
		pid, _ := r.Stamped().Lookup("opid")
		dst = appendWord(append(dst, "process "...), pid)
		if f := r.Stamped(); f.Find("ocomm") && !auditbridge.IsPlaceholder(f.Value) {
			dst = append(appendValue(append(dst, " ("...), r, &f), ')')
		}
		if f := r.Stamped(); f.Find("ouid") {
			dst = s.appendUser(append(dst, " of "...), "user ", r, &f)
		}
		return dst
	}
	return dst
}

// appendPID appends the process whose id is an argument.
func appendPID(dst []byte, f *auditbridge.Fields) []byte {
	n, ok := readNumber(f.Value, 16)
	pid := int32(uint32(n))
	switch {
	case !ok || pid == 0:
		return dst
	case pid == -1:
		return append(dst, "all processes"...)
	case pid < 0:
		return strconv.AppendInt(append(dst, "process group "...), -int64(pid), 10)
	}
	return strconv.AppendInt(append(dst, "process "...), int64(pid), 10)
}

// appendSocket appends the address of a SOCKADDR record.
func (s *sentence) appendSocket(dst []byte) []byte {
	for i := range s.event.Records {
		r := &s.event.Records[i]
		f := r.Stamped()
		if r.Type != typeSockaddr || !f.Find("saddr") {
			continue
		}
		var space [interpret.MaxAddress]byte
		address, ok := interpret.ParseAddress(space[:0], f.Value)
		if !ok {
			return dst
		}
		return appendAddress(dst, &address)
	}
	return dst
}

func appendAddress(dst []byte, a *interpret.Address) []byte {
	if endpoint, ok := a.Endpoint(); ok {
		dst = append(endpoint.Addr().AppendTo(dst), " port "...)
		return strconv.AppendUint(dst, uint64(endpoint.Port()), 10)
	}
	switch a.Family {
	case "inet", "inet6": // cut short
		return dst
	case "local":
		var space [interpret.MaxAddress]byte
		path := a.AppendPath(space[:0])
		if len(path) == 0 {
			return append(dst, "an unnamed socket"...)
		}
		return appendWord(dst, path)
	}
	return append(append(append(dst, "a "...), a.Family...), " socket"...)
}
