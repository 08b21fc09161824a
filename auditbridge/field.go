package auditbridge

import "bytes"

// A record says three kinds of things, and no scanner mixes them:
//
//   - what the kernel stamped (Record.Stamped): all of a kernel record; of a
//     program's message only what stands before msg=, such as auid;
//   - what a program claims (Record.Claims): what stands in msg='…';
//   - what auditd resolved when it wrote the line (Record.Resolved): names for
//     numbers, behind the separator 0x1d.
//
// For the daemons' own records (1200–1299) all is "stamped": they have no msg=.

// Fields scans key=value pairs of one kind, lazily and without allocating:
//
//	for f := record.Stamped(); f.Next(); {
//		use(f.Key, f.Value)
//	}
//
// Key and Value alias the line. Order and duplicates are kept, and every word
// is in some key or value; only the brackets and commas that RHEL 5's programs
// put around fields, "(hostname=?, addr=?)", are left out.
type Fields struct {
	Key   []byte // empty for a word without '='
	Value []byte // without its quotes or braces, otherwise as it stands
	Form  Form

	rest    []byte
	escaped bool // of a line that ends in ab-esc=1
}

// Form is how a value is written.
type Form uint8

const (
	Bare   Form = iota // pid=1; in some fields hex, see AppendDecoded
	Double             // "…"
	Quoted             // '…'
	Braced             // { … }
)

// Empty reports whether there is nothing more to scan but blanks.
func (f *Fields) Empty() bool {
	for _, c := range f.rest {
		if !isBlank(c) {
			return false
		}
	}
	return true
}

// ScanFields scans text of one kind.
func ScanFields(text []byte) Fields { return Fields{rest: text} }

// Stamped scans what the kernel, or the daemon whose record it is, wrote.
func (r *Record) Stamped() Fields {
	stamped, _, _ := r.Parts()
	return stamped
}

// Claims scans what a program wrote into its message: anything at all.
func (r *Record) Claims() Fields {
	_, claims, _ := r.Parts()
	return claims
}

// Parts scans all three kinds for little more than the price of one.
func (r *Record) Parts() (stamped, claims, resolved Fields) {
	p := r.split()
	return Fields{rest: p.stamped, escaped: p.escaped}, Fields{rest: p.claimed, escaped: p.escaped}, Fields{rest: p.resolved, escaped: p.escaped}
}

// Message returns all that a program wrote into its message, without the quotes
// around it. It aliases the line.
func (r *Record) Message() []byte {
	return r.split().claimed
}

// Resolved scans what auditd added in its enriched format.
func (r *Record) Resolved() Fields {
	_, _, resolved := r.Parts()
	return resolved
}

// parts are a record's text by who says it.
type parts struct {
	stamped, claimed, resolved []byte
	escaped                    bool // control bytes are written as \xHH
}

// split cuts the record's text. In an escaped line (ab-esc=1) a separator may be
// a program's own, so nothing there counts as resolved.
func (r *Record) split() (p parts) {
	p.stamped = r.text()
	if n := len(p.stamped); n > 0 && p.stamped[n-1] == '1' {
		p.stamped, p.escaped = bytes.CutSuffix(p.stamped, []byte(escMark))
	}
	message := messageStart(p.stamped)
	if i := bytes.IndexByte(p.stamped, 0x1d); i >= 0 && !(p.escaped && message >= 0) {
		p.stamped, p.resolved = p.stamped[:i], p.stamped[i+1:]
		if message > i {
			message = -1
		}
	}
	if message < 0 {
		return p
	}
	p.stamped, p.claimed = p.stamped[:message], bytes.TrimRight(p.stamped[message+len("msg="):], " ")
	if n := len(p.claimed); n > 1 && p.claimed[0] == '\'' && p.claimed[n-1] == '\'' {
		p.claimed = p.claimed[1 : n-1]
	} else {
		p.claimed = bytes.TrimPrefix(p.claimed, []byte{'\''})
	}
	return p
}

// messageStart finds the key msg, the first one: the kernel's own fields hold
// no blank that a program could have put there.
func messageStart(text []byte) int {
	if bytes.HasPrefix(text, []byte("msg=")) {
		return 0
	}
	if i := bytes.Index(text, []byte(" msg=")); i >= 0 {
		return i + 1
	}
	return -1
}

// Next goes to the next field and reports whether there is one.
func (f *Fields) Next() bool {
	b := f.rest
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	if len(b) == 0 {
		f.rest = nil
		return false
	}
	if b[0] == '{' || b[0] == '"' {
		f.Key = b[:0]
		f.value(b)
		return true
	}
	end := 0
	for end < len(b) && b[end] != '=' && !isBlank(b[end]) {
		end++
	}
	if end == 0 || end == len(b) || b[end] != '=' {
		f.Key = b[:0]
		f.bare(b)
		return true
	}
	f.Key = b[:end]
	if end > 1 && b[0] == '(' {
		f.Key = b[1:end]
	}
	f.value(b[end+1:])
	return true
}

// value takes the value at the start of b; an opening quote without its
// closing one is part of a bare value.
func (f *Fields) value(b []byte) {
	if len(b) > 0 {
		closing, form := byte(0), Bare
		switch b[0] {
		case '"':
			closing, form = '"', Double
		case '\'':
			closing, form = '\'', Quoted
		case '{':
			closing, form = '}', Braced
		}
		if form != Bare {
			if i := bytes.IndexByte(b[1:], closing); i >= 0 {
				f.Value, f.Form, f.rest = b[1:1+i], form, b[i+2:]
				if form == Braced {
					f.Value = bytes.Trim(f.Value, " \t")
				}
				return
			}
		}
	}
	f.bare(b)
}

func (f *Fields) bare(b []byte) {
	end := 0
	for end < len(b) && !isBlank(b[end]) {
		end++
	}
	f.Value, f.Form, f.rest = b[:end], Bare, b[end:]
	if len(f.Key) > 0 && end > 1 {
		f.Value = withoutBracket(f.Value)
	}
}

// withoutBracket cuts the comma or the closing bracket behind a field of a list
// in brackets; "(null)" has its own.
func withoutBracket(v []byte) []byte {
	if v[len(v)-1] == ',' {
		v = v[:len(v)-1]
	}
	if n := len(v) - 1; n > 0 && v[n] == ')' && bytes.IndexByte(v, '(') < 0 {
		v = v[:n]
	}
	return v
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// Find goes to the next field called key.
func (f *Fields) Find(key string) bool {
	for f.Next() {
		if string(f.Key) == key {
			return true
		}
	}
	return false
}

// Lookup returns the value of the first field called key, as it stands.
func (f Fields) Lookup(key string) ([]byte, bool) {
	if f.Find(key) {
		return f.Value, true
	}
	return nil, false
}
