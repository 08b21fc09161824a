package auditd

import (
	"bytes"

	"auditbridge/auditbridge"
)

// Format writes records as an auditd's dispatcher hands them to its plugins: the
// journal's line behind the name of the host.
type Format struct{ node []byte }

// NewFormat returns the Format of a host; without a name lines stand alone.
func NewFormat(node string) *Format {
	if node == "" {
		return &Format{}
	}
	return &Format{[]byte("node=" + node + " ")}
}

// AppendRecord appends a record. One that names its host keeps that name. Of EOE,
// which nobody sends by this protocol, nothing is appended: an auditd that passes on
// what it hears would drop it and not answer.
func (f *Format) AppendRecord(dst []byte, r *auditbridge.Record) []byte {
	if bytes.Equal(r.TypeName(), []byte("EOE")) {
		return dst
	}
	if !bytes.HasPrefix(r.Line, []byte("node=")) {
		dst = append(dst, f.node...)
	}
	return append(dst, r.Line...)
}
