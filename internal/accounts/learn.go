package accounts

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/internal/terminal"
)

// statement is what one note says.
type statement struct {
	of          string // the table's name: passwd or group
	change      bool
	machine     string
	n           int // entries of the whole table
	left        int // of which no part has them
	sha256      string
	part, parts int
	lists       [4][]byte // in the order of listNames
}

// listNames are the keys of a note's lists of entries.
var listNames = [4]string{"names", "added", "removed", "renamed"}

// readStatement reads a note. It aliases the event. ok is false when e is none
// of ours about accounts; nothing else of it is taken for granted.
func readStatement(e *auditbridge.Event) (s statement, ok bool) {
	if len(e.Records) != 1 || !e.Own() || e.Records[0].Type != auditbridge.TypeDaemonConfig {
		return s, false
	}
	f := e.Records[0].Stamped()
	if !f.Next() || string(f.Key) != "op" {
		return s, false
	}
	switch string(f.Value) {
	case "accounts":
	case "accounts-changed":
		s.change = true
	default:
		return s, false
	}
	for f.Next() {
		switch string(f.Key) {
		case "table":
			s.of = string(f.Value)
		case "machine":
			if !auditbridge.IsPlaceholder(f.Value) {
				s.machine = string(f.Value)
			}
		case "n":
			s.n = count(f.Value)
		case "left-out":
			s.left = count(f.Value)
		case "sha256":
			s.sha256 = string(f.Value)
		case "part":
			s.part = count(f.Value)
		case "parts":
			s.parts = count(f.Value)
		}
		for i, name := range listNames {
			if string(f.Key) == name && !auditbridge.IsPlaceholder(f.Value) {
				s.lists[i] = f.Value
			}
		}
	}
	return s, s.part > 0 // without one it is the note that a file could not be read
}

func count(digits []byte) int {
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		return -1
	}
	return n
}

// entries calls each with the entries of a list; of a renamed one with the
// name it has now. What is none is left out.
func entries(list []byte, each func(id uint32, name string)) {
	for len(list) > 0 {
		var entry []byte
		entry, list, _ = bytes.Cut(list, []byte{','})
		digits, word, _ := bytes.Cut(entry, []byte{':'})
		if _, now, renamed := bytes.Cut(word, []byte{'>'}); renamed {
			word = now
		}
		id, isID := number(digits)
		name, isName := readName(word)
		if isID && isName && id != unset {
			each(id, name)
		}
	}
}

// readName is the inverse of appendName. A record is foreign text as any other.
func readName(word []byte) (string, bool) {
	name := make([]byte, 0, len(word))
	for len(word) > 0 {
		if word[0] != '%' {
			name, word = append(name, word[0]), word[1:]
			continue
		}
		if len(word) < 3 {
			return "", false
		}
		c, err := strconv.ParseUint(string(word[1:3]), 16, 8)
		if err != nil {
			return "", false
		}
		name, word = append(name, byte(c)), word[3:]
	}
	safe := terminal.Safe(string(name))
	return safe, safe != "" && len(safe) <= maxName
}

// learned is one table of one node, as far as the records told.
type learned struct {
	names map[uint32]string
	whole bool // it is all of it

	parts map[uint32]string // of the table that is being told
	next  int               // its next part; 0: none is being told
}

// learn follows a note, and returns by how many entries the table has grown.
// room is how many more there may be.
func (l *learned) learn(s *statement, room int) (grown int) {
	before := len(l.names)
	if l.names == nil {
		l.names = map[uint32]string{}
	}
	if s.change {
		l.change(s, before+room)
	} else {
		l.table(s, before+room)
	}
	return len(l.names) - before
}

// table takes a part of a table. Names are known from their part on; who is not
// in the table is known to be gone when all of its parts came.
func (l *learned) table(s *statement, limit int) {
	if s.part == 1 {
		l.parts, l.next = map[uint32]string{}, 1
	}
	inOrder := s.part == l.next
	l.next++
	entries(s.lists[0], func(id uint32, name string) {
		if inOrder && len(l.parts) < limit {
			l.parts[id] = name
		}
		l.put(id, name, limit)
	})
	switch {
	case !inOrder:
		l.whole, l.parts, l.next = false, nil, 0
	case s.part == s.parts:
		l.names, l.parts, l.next = l.parts, nil, 0
		l.whole = s.left == 0 && len(l.names) == s.n && digest(l.names) == s.sha256
	}
}

// change takes a part of a change.
func (l *learned) change(s *statement, limit int) {
	put := func(id uint32, name string) { l.put(id, name, limit) }
	entries(s.lists[1], put)
	entries(s.lists[2], func(id uint32, _ string) { delete(l.names, id) })
	entries(s.lists[3], put)
	if l.whole && s.part == s.parts { // else a part, or a change before it, did not come
		l.whole = len(l.names) == s.n && digest(l.names) == s.sha256
	}
}

func (l *learned) put(id uint32, name string, limit int) {
	if _, known := l.names[id]; known || len(l.names) < limit {
		l.names[id] = name
	} else {
		l.whole = false
	}
}
