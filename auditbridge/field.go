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

// ScanFields scans text of one kind.
func ScanFields(text []byte) Fields { return Fields{rest: text} }

// Stamped scans what the kernel, or the daemon whose record it is, wrote.
func (r *Record) Stamped() Fields {
	stamped, _, _ := r.split()
	return Fields{rest: stamped, escaped: r.escaped()}
}

// Claims scans what a program wrote into its message: anything at all.
func (r *Record) Claims() Fields {
	_, claimed, _ := r.split()
	return Fields{rest: claimed, escaped: r.escaped()}
}

// Message returns all that a program wrote into its message, without the quotes
// around it. It aliases the line.
func (r *Record) Message() []byte {
	_, claimed, _ := r.split()
	return claimed
}

// Resolved scans what auditd added in its enriched format.
func (r *Record) Resolved() Fields {
	_, _, resolved := r.split()
	return Fields{rest: resolved, escaped: r.escaped()}
}

// escaped reports whether control bytes of the record are written as \xHH.
func (r *Record) escaped() bool { return bytes.HasSuffix(r.text(), []byte(escMark)) }

// split cuts the record's text by who says it. In an escaped line (ab-esc=1) a
// separator may be a program's own, so nothing there counts as resolved.
func (r *Record) split() (stamped, claimed, resolved []byte) {
	stamped = r.text()
	stamped, escaped := bytes.CutSuffix(stamped, []byte(escMark))
	message := -1
	if !r.detail() {
		message = messageStart(stamped)
	}
	if i := bytes.IndexByte(stamped, 0x1d); i >= 0 && !(escaped && message >= 0) {
		stamped, resolved = stamped[:i], stamped[i+1:]
		if message > i {
			message = -1
		}
	}
	if message < 0 {
		return stamped, nil, resolved
	}
	stamped, claimed = stamped[:message], stamped[message+len("msg="):]
	claimed = bytes.TrimRight(claimed, " ")
	if n := len(claimed); n > 1 && claimed[0] == '\'' && claimed[n-1] == '\'' {
		claimed = claimed[1 : n-1]
	} else {
		claimed = bytes.TrimPrefix(claimed, []byte{'\''})
	}
	return stamped, claimed, resolved
}

// detail reports whether the record is of a type in which the kernel tells of
// system calls (1300–1399), many to an event: those have no message.
func (r *Record) detail() bool { return 1300 <= r.Type && r.Type < 1400 }

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
