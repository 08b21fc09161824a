package summary

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"auditbridge/auditbridge"
)

//go:embed verbs.txt
var verbsText string

// row is what a sentence says of one kind of event.
type row struct {
	name         string // as in verbs.txt, the field behind it included
	done, failed string
	object       phrase
	runs         bool // it tells of a program that was run
}

// variant is the row of those records that have a field, or a value in it.
type variant struct {
	key, value string // value "" means any
	row        *row
}

// entry is all rows with the same name.
type entry struct {
	variants []variant
	plain    *row
}

// verbTable is verbs.txt in memory.
type verbTable struct {
	types    map[auditbridge.RecordType]*entry
	syscalls map[string]*entry
	ops      map[string]*entry
	other    map[string]*row // by section: the row of what has none
}

// verbs is read when it is first asked for: most commands tell no event.
var verbs = sync.OnceValue(func() *verbTable { return mustReadVerbs(verbsText) })

// mustReadVerbs reads the embedded table; a mistake in it is a mistake in the
// program, found by the first test that runs.
func mustReadVerbs(text string) *verbTable {
	t := &verbTable{types: map[auditbridge.RecordType]*entry{}, syscalls: map[string]*entry{}, ops: map[string]*entry{}, other: map[string]*row{}}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = line
			continue
		}
		if err := t.add(section, line); err != nil {
			panic(fmt.Sprintf("internal error: verbs.txt:%d: %v", i+1, err))
		}
	}
	return t
}

func (t *verbTable) add(section, line string) error {
	columns := strings.Split(line, "|")
	if len(columns) != 4 {
		return fmt.Errorf("%d columns, not 4", len(columns))
	}
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	object, err := parsePhrase(columns[3])
	if err != nil {
		return err
	}
	for _, name := range strings.Split(columns[0], ",") {
		r := &row{strings.TrimSpace(name), columns[1], columns[2], object, strings.Contains(columns[3], "{COMMAND")}
		if r.name == "" || r.done == "" || r.failed == "" {
			return fmt.Errorf("an empty column")
		}
		if err := t.addRow(section, r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func (t *verbTable) addRow(section string, r *row) error {
	name, field, special := strings.Cut(r.name, " ")
	if name == "*" {
		t.other[section] = r
		return nil
	}
	e, err := t.entry(section, name)
	if err != nil {
		return err
	}
	if !special {
		if e.plain != nil {
			return fmt.Errorf("a second row")
		}
		e.plain = r
		return nil
	}
	key, value, _ := strings.Cut(field, "=")
	if slices.ContainsFunc(e.variants, func(v variant) bool { return v.key == key && v.value == value }) {
		return fmt.Errorf("a second row")
	}
	e.variants = append(e.variants, variant{key, value, r})
	return nil
}

func (t *verbTable) entry(section, name string) (*entry, error) {
	switch section {
	case "[type]":
		number, ok := auditbridge.ParseType([]byte(name))
		if !ok {
			return nil, fmt.Errorf("no type of record")
		}
		return entryOf(t.types, number), nil
	case "[syscall]":
		return entryOf(t.syscalls, name), nil
	case "[op]":
		return entryOf(t.ops, name), nil
	}
	return nil, fmt.Errorf("row in unknown section %q", section)
}

func entryOf[K comparable](entries map[K]*entry, key K) *entry {
	if entries[key] == nil {
		entries[key] = &entry{}
	}
	return entries[key]
}

// findRow finds the row of the event.
func (s *sentence) findRow() *row {
	r := s.deciding
	switch {
	case s.event.Own():
		op, _ := r.Stamped().Lookup("op")
		return s.pick(verbs().ops[string(op)], verbs().other["[op]"])
	case r.Type == typeSyscall:
		return s.pick(s.callEntry(), verbs().other["[syscall]"])
	}
	return s.pick(verbs().types[r.Type], verbs().other["[type]"])
}

// pick picks from rows of the same name; other when there are none, or none for
// this event.
func (s *sentence) pick(e *entry, other *row) *row {
	if e == nil {
		return other
	}
	for i := range e.variants {
		if v := &e.variants[i]; s.matches(v) {
			return v.row
		}
	}
	if e.plain == nil {
		return other
	}
	return e.plain
}

func (s *sentence) matches(v *variant) bool {
	switch v.key {
	case "CALL":
		return s.call != nil && s.callEntry() == verbs().syscalls[v.value]
	case "ALLOWED":
		return s.permissions() != nil
	}
	value, ok := s.fields().Lookup(v.key)
	return ok && (v.value == "" || string(value) == v.value)
}
