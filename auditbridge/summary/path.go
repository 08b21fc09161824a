package summary

import (
	"bytes"

	"auditbridge/auditbridge"
)

// named is a path of the event that was named in a call.
type named struct {
	record *auditbridge.Record
	name   auditbridge.Fields
	kind   []byte
}

// paths hands out the paths that have a name, those too that only say in which
// directory another one is.
func (s *sentence) paths(yield func(named) bool) {
	for i := range s.event.Records {
		r := &s.event.Records[i]
		if r.Type != typePath {
			continue
		}
		p := named{record: r}
		for f := r.Stamped(); f.Next(); {
			switch string(f.Key) {
			case "name":
				p.name = f
			case "nametype", "objtype":
				p.kind = f.Value
			case "": // "nametype= PARENT", as auditd 2.8 once wrote it
				if len(p.kind) == 0 {
					p.kind = f.Value
				}
			}
		}
		if !auditbridge.IsPlaceholder(p.name.Value) && !yield(p) {
			return
		}
	}
}

func (p *named) isParent() bool { return string(p.kind) == "PARENT" }

// onlyPath is what a call with one path is about: the first that is not merely
// the directory of another, unless that one is missing.
func (s *sentence) onlyPath() (only named) {
	s.paths(func(p named) bool {
		if only.record == nil || !p.isParent() {
			only = p
		}
		return p.isParent()
	})
	return only
}

// oldPath is the one of two that was there before.
func (s *sentence) oldPath() (old named) {
	s.paths(func(p named) bool {
		if p.isParent() || string(p.kind) == "CREATE" {
			return true
		}
		old = p
		return false
	})
	return old
}

// newPath is the one of two that came to be, or was to.
func (s *sentence) newPath() (last named) {
	n := 0
	s.paths(func(p named) bool {
		if p.isParent() {
			return true
		}
		if n++; n > 1 || string(p.kind) == "CREATE" {
			last = p
		}
		return true
	})
	return last
}

// appendPath appends a path, made absolute where the event tells how. Argument,
// when not empty, holds the descriptor that a relative path begins at.
func (s *sentence) appendPath(dst []byte, p named, argument string) []byte {
	if p.record == nil {
		return dst
	}
	if p.isParent() {
		dst = append(dst, "something in "...)
	}
	start := len(dst)
	dst = appendText(dst, p.record, &p.name)
	if dst[start] == '/' {
		return quoteFrom(dst, start)
	}
	if s.beginsElsewhere(argument) {
		return append(quoteFrom(dst, start), " in an open directory"...)
	}
	end := len(dst)
	if dst = s.appendDirectory(dst); len(dst) > end {
		dst = appendJoined(dst, dst[start:end])
		dst = dst[:start+copy(dst[start:], dst[end:])]
	}
	return quoteFrom(dst, start)
}

// beginsElsewhere reports whether a relative path begins at a descriptor. -100
// is AT_FDCWD, the current directory.
func (s *sentence) beginsElsewhere(argument string) bool {
	if argument == "" || s.call == nil {
		return false
	}
	v, ok := s.call.Stamped().Lookup(argument)
	return ok && string(v) != "ffffff9c" && string(v) != "ffffffffffffff9c"
}

// appendDirectory appends the directory the process was in.
func (s *sentence) appendDirectory(dst []byte) []byte {
	for i := range s.event.Records {
		r := &s.event.Records[i]
		if f := r.Stamped(); r.Type == typeCwd && f.Find("cwd") && !auditbridge.IsPlaceholder(f.Value) {
			return appendText(dst, r, &f)
		}
	}
	return dst
}

// appendJoined appends name to the directory dst ends with.
func appendJoined(dst, name []byte) []byte {
	for bytes.HasPrefix(name, []byte("./")) {
		name = bytes.TrimLeft(name[1:], "/")
	}
	if len(name) == 0 || string(name) == "." {
		return dst
	}
	if dst[len(dst)-1] != '/' {
		dst = append(dst, '/')
	}
	return append(dst, name...)
}
