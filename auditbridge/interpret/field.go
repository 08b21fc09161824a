package interpret

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"auditbridge/auditbridge"
)

//go:embed fields.txt
var fieldsText string

// A field is a row of fields.txt: a key, in some types of records only.
type field struct {
	types []auditbridge.RecordType // none means all others
	kind  kind
}

var bases = map[string]int{"dec": 10, "hex": 16, "oct": 8, "any": 0}

// readFields reads fields.txt: keys, a comma between, the base of their digits,
// their kind, and the types of record it is so in.
func (w *vocabulary) readFields(text string) {
	for row := range rows(text) {
		base, ok := bases[row[1]]
		if !ok || len(row) < 3 {
			panic(fmt.Sprintf("fields.txt: %q", row))
		}
		f := field{kind: w.readKind(row[2], base)}
		for _, name := range row[3:] {
			t, ok := auditbridge.ParseType([]byte(name))
			if !ok {
				panic("fields.txt: no type is called " + name)
			}
			f.types = append(f.types, t)
		}
		for key := range strings.SplitSeq(row[0], ",") {
			w.fields[key] = append(w.fields[key], f)
		}
	}
}

// kindOf is what a field of a record of type t is.
func kindOf(t auditbridge.RecordType, key []byte) kind {
	for _, f := range words().fields[string(key)] {
		if f.types == nil || slices.Contains(f.types, t) {
			return f.kind
		}
	}
	return kind{}
}
