package summary

import (
	"bytes"

	"auditbridge/auditbridge"
)

// appendCommand appends the program that was run, as it was called, and its
// arguments.
func (s *sentence) appendCommand(dst []byte, directory string) []byte {
	start := len(dst)
	if dst = s.appendPath(dst, s.onlyPath(), directory); len(dst) == start && s.actor.exe.Value != nil && s.verdict.Result != auditbridge.Fail {
		dst = appendValue(dst, s.actor.record, &s.actor.exe)
	}
	if len(dst) == start {
		return s.appendArguments(dst, 0)
	}
	n := len(dst)
	if dst = s.appendArguments(append(dst, ' '), s.ownArguments()); len(dst) == n+1 {
		return dst[:n]
	}
	return dst
}

// ownArguments returns the index of the first argument that is the program's
// own: behind its name, which for a script stands after those of its interpreter.
// A program that is called by its own name has no interpreter.
func (s *sentence) ownArguments() int {
	p := s.onlyPath()
	for i := range s.event.Records {
		r := &s.event.Records[i]
		if r.Type != typeExecve || p.record == nil {
			continue
		}
		for f := r.Stamped(); f.Next(); {
			n, ok := argumentIndex(f.Key)
			switch {
			case !ok || f.Form != p.name.Form:
			case n == 0 && bytes.Equal(base(f.Value), base(p.name.Value)):
				return 1
			case n > 0 && bytes.Equal(f.Value, p.name.Value):
				return n + 1
			}
		}
	}
	return 1
}

// ranItself reports whether the program that ran is named by the file that was
// called: it is another one for scripts and for links to elsewhere, and its path
// says more than a name in an open directory.
func (s *sentence) ranItself() bool {
	p := s.onlyPath()
	if p.record == nil {
		return true
	}
	if s.row == verbs().syscalls["execveat"].plain && s.beginsElsewhere("a0") {
		return false
	}
	var space [2 * maxWord]byte
	if len(p.name.Value) > len(space)/2 || len(s.actor.exe.Value) > len(space)/2 {
		return false
	}
	name := p.name.AppendDecoded(space[:0], typePath)
	exe := s.actor.exe.AppendDecoded(name[len(name):], typeSyscall)
	return bytes.Equal(base(name), base(exe))
}

// appendArguments appends a program's arguments from the nth on. An argument may
// stand in parts (a1[0], a1[1]) and in several records.
func (s *sentence) appendArguments(dst []byte, from int) []byte {
	begin, start, at := len(dst), len(dst), -1
	for i := range s.event.Records {
		r := &s.event.Records[i]
		if r.Type != typeExecve {
			continue
		}
		for f := r.Stamped(); f.Next(); {
			n, ok := argumentIndex(f.Key)
			if !ok || n < from {
				continue
			}
			if n != at {
				if at >= 0 {
					dst = append(quoteFrom(dst, start), ' ')
				}
				if len(dst)-begin > maxArguments {
					return append(dst, "..."...)
				}
				start, at = len(dst), n
			}
			if len(dst)-start <= maxWord {
				dst = appendText(dst, r, &f)
			}
		}
	}
	if at < 0 {
		return dst
	}
	return quoteFrom(dst, start)
}

// argumentIndex reads a0, a1[3]; a1_len is none.
func argumentIndex(key []byte) (n int, ok bool) {
	if len(key) < 2 || key[0] != 'a' {
		return 0, false
	}
	for i, c := range key[1:] {
		switch {
		case '0' <= c && c <= '9' && n < 1<<20:
			n = 10*n + int(c-'0')
		case c == '[' && i > 0:
			return n, true
		default:
			return 0, false
		}
	}
	return n, true
}
