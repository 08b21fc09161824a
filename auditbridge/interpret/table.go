package interpret

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// A table names values, or the bits set in them.
type table struct {
	name     string
	flags    bool
	between  byte // what stands between flags
	entries  []entry
	variants map[string]*table // by an architecture's column, where it differs
	base     *table            // of a variant: the names that do not differ
	choices  map[uint32]kind   // of a table that says what another value is
}

// An entry names the value that a part of the bits has.
type entry struct {
	value, mask uint64
	name        string
	table       *table // names the part instead
	octal       bool   // writes the part as permissions instead
}

//go:embed names.txt
var namesText string

// readTables reads names.txt. Tables may speak of those above them.
func (w *vocabulary) readTables(text string) {
	var t *table
	for row := range rows(text) {
		if name, ok := strings.CutPrefix(row[0], "["); ok {
			t = w.newTable(strings.TrimSuffix(name, "]"), row[1:])
			continue
		}
		if t.choices != nil {
			t.choices[uint32(readValue(row[0]))] = w.readKind(row[1], 16)
			continue
		}
		t.entries = append(t.entries, w.readEntry(t, row))
	}
}

// newTable begins a table: "[open] flags", "[open] flags on arm ppc" for its
// variant there, "[ioctl] names instead on ppc" for one that leaves nothing of
// the names elsewhere, or "[option] by" for choices.
func (w *vocabulary) newTable(name string, words []string) *table {
	t := &table{name: name}
	switch words[0] {
	case "names":
	case "flags":
		t.flags, t.between = true, '|'
	case "list":
		t.flags, t.between = true, ','
	case "by":
		t.choices = map[uint32]kind{}
	default:
		panic(fmt.Sprintf("names.txt: [%s] has %q", name, words))
	}
	if len(words) == 1 {
		w.tables[name] = t
		return t
	}
	base := w.tables[name]
	columns := words[2:]
	if words[1] == "instead" {
		columns = words[3:]
	} else if !t.flags {
		t.base = base
	}
	if base.variants == nil {
		base.variants = map[string]*table{}
	}
	for _, column := range columns {
		base.variants[column] = t
	}
	return t
}

// readEntry reads "VALUE NAME", "VALUE/MASK NAME", or "TABLE/MASK" where another
// table names a part of the bits. "VALUE" alone is its own mask.
func (w *vocabulary) readEntry(t *table, row []string) entry {
	value, mask, masked := strings.Cut(row[0], "/")
	e := entry{octal: value == "permissions"}
	if len(row) == 1 {
		e.table = w.tables[value]
	} else {
		e.value, e.name = readValue(value), strings.TrimPrefix(row[1], "-")
	}
	e.mask = e.value
	if masked {
		e.mask = readValue(mask)
	}
	if e.table == nil && !e.octal && len(row) != 2 {
		panic(fmt.Sprintf("names.txt: [%s] has %q", t.name, row))
	}
	return e
}

func readValue(word string) uint64 {
	if n, err := strconv.ParseInt(word, 0, 64); err == nil {
		return uint64(n)
	}
	n, err := strconv.ParseUint(word, 0, 64)
	if err != nil {
		panic(fmt.Sprintf("names.txt: %v", err))
	}
	return n
}

// on is the table as it is on an architecture.
func (t *table) on(a *arch) *table {
	if a != nil {
		if variant := t.variants[a.calls]; variant != nil {
			return variant
		}
	}
	return t
}

// lookup names a value, "" when it has no name. Values are C's ints: a
// register's upper half is left out of it.
func (t *table) lookup(v uint64) string {
	for ; t != nil; t = t.base {
		for i := range t.entries {
			if uint32(t.entries[i].value) == uint32(v) {
				return t.entries[i].name
			}
		}
	}
	return ""
}

// lookupLow16 names the one value whose low 16 bits are v, "" when there is none
// or more than one.
func (t *table) lookupLow16(v uint64) (found string) {
	for from := t; from != nil; from = from.base {
		for i := range from.entries {
			e := &from.entries[i]
			if e.value&0xFFFF != v || t.lookup(e.value) != e.name || e.name == "" {
				continue
			}
			if found != "" {
				return ""
			}
			found = e.name
		}
	}
	return found
}

// append appends the name of v, or the names of its bits, in the order of the
// table and with what is left of them behind. It reports false, and appends
// nothing, when nothing of v has a name.
func (t *table) append(dst []byte, v uint64) ([]byte, bool) {
	if !t.flags {
		name := t.lookup(v)
		return append(dst, name...), name != ""
	}
	start, rest := len(dst), v
	for i := range t.entries {
		e := &t.entries[i]
		if e.octal {
			dst = appendPermissions(separate(dst, start, t.between), v&e.mask)
			rest &^= e.mask
		} else if name := e.nameOf(v, rest); name != "" {
			dst = append(separate(dst, start, t.between), name...)
			rest &^= e.mask
		}
	}
	if len(dst) == start {
		return dst, false
	}
	if rest != 0 {
		dst = append(separate(dst, start, t.between), "0x"...)
		dst = strconv.AppendUint(dst, rest, 16)
	}
	return dst, true
}

// nameOf is the name an entry has for its part of v, "" when that has another
// value, or was named before: rest is what has no name yet.
func (e *entry) nameOf(v, rest uint64) string {
	switch {
	case e.table != nil:
		if part := rest & e.mask; part != 0 {
			return e.table.lookup(part)
		}
	case e.value == 0 && v&e.mask == 0, e.value != 0 && rest&e.mask == e.value:
		return e.name
	}
	return ""
}

// separate appends c when something stands behind start.
func separate(dst []byte, start int, c byte) []byte {
	if len(dst) > start {
		dst = append(dst, c)
	}
	return dst
}
