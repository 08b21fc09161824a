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
	c := r.parts()
	return Fields{rest: r.Line[r.Body:c.stampedEnd], escaped: c.escaped}
}

// Claims scans what a program wrote into its message: anything at all.
func (r *Record) Claims() Fields {
	c := r.parts()
	return Fields{rest: r.Line[c.claimed:c.claimedEnd], escaped: c.escaped}
}

// Message returns all that a program wrote into its message, without the quotes
// around it. It aliases the line.
func (r *Record) Message() []byte {
	c := r.parts()
	return r.Line[c.claimed:c.claimedEnd]
}

// Resolved scans what auditd added in its enriched format.
func (r *Record) Resolved() Fields {
	c := r.parts()
	return Fields{rest: r.Line[c.resolved:c.resolvedEnd], escaped: c.escaped}
}

// cut is where the parts of a line begin and end, by who says them: offsets, so
// that they hold for a copy of the line, too.
type cut struct {
	made, escaped         bool // escaped: control bytes are written as \xHH
	stampedEnd            int32
	claimed, claimedEnd   int32
	resolved, resolvedEnd int32
}

// parts cuts the record's line, once for all who ask.
func (r *Record) parts() *cut {
	if !r.cut.made {
		r.cut = cutParts(r.Line, r.Body)
	}
	return &r.cut
}

// cutParts finds the parts of a line. In an escaped one (ab-esc=1) a separator
// may be a program's own, so nothing there counts as resolved.
func cutParts(line []byte, body int) cut {
	c := cut{made: true}
	end := len(line)
	if end > body && line[end-1] == '\r' {
		end--
	}
	if n := end - len(escMark); end > body && line[end-1] == '1' && n >= body && string(line[n:end]) == escMark {
		end, c.escaped = n, true
	}
	text := line[body:end]
	message := messageStart(text)
	if i := bytes.IndexByte(text, 0x1d); i >= 0 && !(c.escaped && message >= 0) {
		c.resolved, c.resolvedEnd = int32(body+i+1), int32(end)
		end = body + i
		if message > i {
			message = -1
		}
	}
	if c.stampedEnd = int32(end); message < 0 {
		return c
	}
	c.stampedEnd = int32(body + message)
	start := body + message + len("msg=")
	for end > start && line[end-1] == ' ' {
		end--
	}
	if start < end && line[start] == '\'' {
		if start++; start < end && line[end-1] == '\'' {
			end--
		}
	}
	c.claimed, c.claimedEnd = int32(start), int32(end)
	return c
}

// messageStart finds the key msg, the first one: the kernel's own fields hold
// no blank that a program could have put there.
func messageStart(text []byte) int { return findKey(text, []byte("msg=")) }

// findKey finds where key, its equals sign included, begins a word. It looks for
// the key and not for the blank in front of it, of which there are many.
func findKey(text, key []byte) int {
	for from := 0; ; {
		i := bytes.Index(text[from:], key)
		if i < 0 {
			return -1
		}
		if i += from; i == 0 || text[i-1] == ' ' {
			return i
		}
		from = i + 1
	}
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
	end := keyEnd(b)
	switch {
	case b[0] == '{' || b[0] == '"':
		f.Key = b[:0]
		f.value(b)
	case end == 0:
		f.Key = b[:0]
		f.bare(b)
	case end > 1 && b[0] == '(':
		f.Key = b[1:end]
		f.value(b[end+1:])
	default:
		f.Key = b[:end]
		f.value(b[end+1:])
	}
	return true
}

// keyEnd returns where the key at the start of b ends with an equals sign; 0 is
// no key.
func keyEnd(b []byte) int {
	for i, c := range b {
		if c > '=' { // nearly all
			continue
		}
		if c == '=' {
			return i
		}
		if isBlank(c) {
			return 0
		}
	}
	return 0
}

// value takes the value at the start of b; an opening quote without its
// closing one is part of a bare value.
func (f *Fields) value(b []byte) {
	if len(b) == 0 || b[0] >= '0' && b[0] != '{' || !f.enclosed(b) {
		f.bare(b)
	}
}

// enclosed takes a value in quotes or braces, and reports whether there is one.
func (f *Fields) enclosed(b []byte) bool {
	closing, form := byte(0), Bare
	switch b[0] {
	case '"':
		closing, form = '"', Double
	case '\'':
		closing, form = '\'', Quoted
	case '{':
		closing, form = '}', Braced
	default:
		return false
	}
	i := bytes.IndexByte(b[1:], closing)
	if i < 0 {
		return false
	}
	f.Value, f.Form, f.rest = b[1:1+i], form, b[i+2:]
	if form == Braced {
		f.Value = bytes.Trim(f.Value, " \t")
	}
	return true
}

func (f *Fields) bare(b []byte) {
	end := len(b)
	for i, c := range b {
		if c <= ' ' && isBlank(c) {
			end = i
			break
		}
	}
	f.Value, f.Form, f.rest = b[:end], Bare, b[end:]
	if end > 1 && (b[end-1] == ')' || b[end-1] == ',') && len(f.Key) > 0 {
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
