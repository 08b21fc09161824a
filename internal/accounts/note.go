package accounts

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"auditbridge/auditbridge"
)

// The records in which a journal keeps the tables in force. docs/format/accounts.md
// describes them:
//
//	op=accounts … table=passwd … part=1 parts=1 names=0:root,1000:alice
//	op=accounts-changed … table=passwd … part=1 parts=1 added=1001:bob renamed=1000:alice>alicia
const (
	// maxPart bounds the entries in one note in bytes: its line stays below
	// MaxText, and below the 8 KiB that log servers take.
	maxPart = 7 << 10
	// maxParts bounds what one table, or one change of it, puts into the
	// journal. Who has a hundred thousand users has them in a directory.
	maxParts = 9
)

// tableNotes puts a whole table on record, the lowest ids first; how many did
// not fit is on record, too.
func tableNotes(d database, machine string, t *Table) []auditbridge.Note {
	p := parts{{}}
	written := 0
	for _, id := range slices.Sorted(maps.Keys(t.Names)) {
		if !p.add("names", appendEntry(nil, id, t.Names[id])) {
			break
		}
		written++
	}
	about := describe(d, machine, t)
	if left := len(t.Names) - written + t.Left; left > 0 {
		about = append(about, auditbridge.Number("left-out", left))
	}
	var notes []auditbridge.Note
	for fields := range p.after(about) {
		notes = append(notes, auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "accounts", fields...))
	}
	return notes
}

// changeNotes puts on record who was added, removed and renamed: nothing when
// nobody was. A change that does not fit is put on record as a table.
func changeNotes(d database, machine string, was, is *Table) []auditbridge.Note {
	var p parts
	ids := slices.AppendSeq(slices.Collect(maps.Keys(was.Names)), maps.Keys(is.Names))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if before, after := was.Names[id], is.Names[id]; before != after && !p.add(changeEntry(id, before, after)) {
			return tableNotes(d, machine, is)
		}
	}
	var notes []auditbridge.Note
	for fields := range p.after(describe(d, machine, is)) {
		notes = append(notes, auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "accounts-changed", fields...))
	}
	return notes
}

// describe is what every note of a table says of all of it.
func describe(d database, machine string, t *Table) []auditbridge.Field {
	fields := []auditbridge.Field{
		auditbridge.Text("table", d.name), auditbridge.Text("machine", machine),
		auditbridge.Number("n", len(t.Names)+t.Left), auditbridge.Text("sha256", digest(t.Names)),
	}
	if t.Skipped > 0 {
		fields = append(fields, auditbridge.Number("skipped", t.Skipped))
	}
	return fields
}

// parts are the lists of entries that a table's notes carry, a part each.
type parts [][]auditbridge.Field

// add adds an entry to the list of that name, in the next part if need be.
// It reports false when there may be no more.
func (p *parts) add(key string, entry []byte) bool {
	size := 0
	if n := len(*p); n > 0 {
		for _, f := range (*p)[n-1] {
			size += len(f.Value) + len(" removed=") + len(",")
		}
	}
	if len(*p) == 0 || size+len(entry) > maxPart {
		if len(*p) == maxParts {
			return false
		}
		*p = append(*p, nil)
	}
	part := &(*p)[len(*p)-1]
	i := slices.IndexFunc(*part, func(f auditbridge.Field) bool { return f.Key == key })
	if i < 0 {
		*part = append(*part, auditbridge.Text(key, string(entry)))
	} else {
		(*part)[i].Value += "," + string(entry)
	}
	return true
}

// after yields the fields of each note: what it is about, which part it is, and
// its lists.
func (p parts) after(about []auditbridge.Field) func(yield func([]auditbridge.Field) bool) {
	return func(yield func([]auditbridge.Field) bool) {
		for i, lists := range p {
			fields := append(slices.Clip(about), auditbridge.Number("part", i+1), auditbridge.Number("parts", len(p)))
			if !yield(append(fields, lists...)) {
				return
			}
		}
	}
}

// changeEntry says by the list it is in, and the names, what became of id.
func changeEntry(id uint32, before, after string) (list string, entry []byte) {
	switch {
	case before == "":
		return "added", appendEntry(nil, id, after)
	case after == "":
		return "removed", appendEntry(nil, id, before)
	}
	return "renamed", appendName(append(appendEntry(nil, id, before), '>'), after)
}

// appendEntry appends 1000:alice.
func appendEntry(dst []byte, id uint32, name string) []byte {
	return appendName(append(strconv.AppendUint(dst, uint64(id), 10), ':'), name)
}

// appendName appends a name as one word in which none of the lists' own signs
// occurs: whatever is neither letter, digit nor one of ._-$@+\ is %HH.
func appendName(dst []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if plain(c) {
			dst = append(dst, c)
			continue
		}
		const hex = "0123456789ABCDEF"
		dst = append(dst, '%', hex[c>>4], hex[c&15])
	}
	return dst
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '.', '_', '-', '$', '@', '+', '\\':
		return true
	}
	return false
}

// digest tells one table from another: half of SHA-256 over its lines ID:NAME,
// sorted by id. It is for telling whether a copy is complete; the journal's
// blocks are what nobody can forge.
func digest(names map[uint32]string) string {
	h := sha256.New()
	var line []byte
	for _, id := range slices.Sorted(maps.Keys(names)) {
		line = append(strconv.AppendUint(line[:0], uint64(id), 10), ':')
		h.Write(append(append(line, names[id]...), '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
