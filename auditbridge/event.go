package auditbridge

import "bytes"

// Event is all records of one EventID, in order of arrival. It and the bytes
// of its records belong to the Reassembler that handed it out and hold until
// the call it was handed to returns.
type Event struct {
	ID          EventID
	Records     []Record
	First, Last Sequence // of its first and its last record
	Completed   Sequence // of the record whose arrival ended the event
	End         EndReason
}

// Record is one line of an event.
type Record struct {
	Sequence Sequence
	Type     RecordType // 0 when the line has no header or a name unknown here
	Line     []byte     // whole, without LF
	Body     int        // offset in Line of what follows "audit(…): "; 0 without a header

	start, end int // of Line in the event's bytes while it is open
	cut        cut // of Line, once somebody asked
}

// TypeName returns the type as the line has it, its name where the line has its
// number, "" when it has none.
func (r *Record) TypeName() []byte {
	if r.Body == 0 {
		return nil
	}
	name, ok := bytes.CutPrefix(r.Line[:r.Body], typePrefix)
	if !ok {
		name = name[bytes.LastIndex(name, typePrefix)+len(typePrefix):]
	}
	if i := bytes.IndexByte(name, ' '); i >= 0 {
		name = name[:i]
	}
	if '0' <= name[0] && name[0] <= '9' {
		return typeNameBytes(r.Type)
	}
	return name
}

// text returns what follows the header, without the CR of a line that came by
// way of another system.
func (r *Record) text() []byte {
	text := r.Line[r.Body:]
	if n := len(text) - 1; n >= 0 && text[n] == '\r' {
		return text[:n]
	}
	return text
}

// Own reports whether the event is one of our own: by type and serial, which
// the kernel lets nobody send and which no other source stores as they are
// (AppendForeign). Of a copy that is a reader's guess.
func (e *Event) Own() bool {
	return isOwn(e.Records[0].Type, e.ID.Serial)
}

func isOwn(t RecordType, serial uint32) bool {
	return serial >= FirstNoteSerial && 1200 <= t && t <= 1299
}

// EndReason tells why an event ended when it did.
type EndReason uint8

const (
	EndEOE       EndReason = iota // its EOE record came
	EndComplete                   // by its type nothing more could come
	EndTimeout                    // the stream went on for too long without more of it
	EndIdle                       // the stream paused
	EndOfStream                   // the stream ended
	EndLimit                      // too much was open at once; the oldest had to go
	EndLate                       // a record that came after its event had ended
	EndMalformed                  // a line that is no record
)

var endNames = [...]string{"eoe", "complete", "timeout", "idle", "end-of-stream", "limit", "late", "malformed"}

func (r EndReason) String() string { return nameAt(endNames[:], int(r)) }
