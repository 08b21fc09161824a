package auditbridge

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Types of our own records. The kernel refuses 1200–1299 from user space, so a
// record of such a type that came in over netlink is never one of ours
// (include/uapi/linux/audit.h, AUDIT_DAEMON_*).
const (
	TypeDaemonStart  RecordType = 1200
	TypeDaemonEnd    RecordType = 1201
	TypeDaemonConfig RecordType = 1203
	TypeDaemonResume RecordType = 1206
	TypeDaemonErr    RecordType = 1209
)

// FirstNoteSerial is the lowest serial of our own records. Records from there
// up are never joined with another record and never part of gap counting.
const FirstNoteSerial = 0xFF000000

// Unset is the kernel's value for a login uid or session that was never set.
const Unset = 1<<32 - 1

// Actor is who caused something: as the kernel tells of a peer, never as the
// peer says of itself.
type Actor struct {
	AUID, UID, Session uint32
	PID                int
}

// Note is one of our own records before the journal gives it time and serial.
type Note struct {
	Type   RecordType
	Op     string
	Actor  Actor
	Fields []Field
	Failed bool // res=failed instead of res=success
}

// Field is one key=value of a Note. A value that could be taken for something
// else (blank, quote, control byte, or beyond ASCII) is written as the kernel
// writes untrusted strings: in hex.
type Field struct{ Key, Value string }

// Text is a field that holds text.
func Text(key, value string) Field { return Field{key, value} }

// Number is a field that holds a number.
func Number[N int | int64 | uint32 | uint64 | Sequence](key string, n N) Field {
	return Field{key, fmt.Sprint(n)}
}

// Moment is a field that holds a time: seconds since 1970, to the millisecond.
func Moment(key string, t time.Time) Field {
	return Field{key, strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)}
}

// OwnNote is a note about this process itself: nobody's login uid and session
// stand behind it.
func OwnNote(t RecordType, op string, fields ...Field) Note {
	return Note{
		Type: t, Op: op, Fields: fields,
		Actor: Actor{AUID: Unset, UID: uint32(os.Geteuid()), Session: Unset, PID: os.Getpid()},
	}
}

// OwnFailure is an OwnNote of something that failed or went missing.
func OwnFailure(op string, fields ...Field) Note {
	n := OwnNote(TypeDaemonErr, op, fields...)
	n.Failed = true
	return n
}

// AppendNote appends the line of n, its LF included, in auditd's field order:
// op= auid= pid= uid= ses= … res=.
func AppendNote(dst []byte, n *Note, at time.Time, serial uint32) []byte {
	dst = append(dst, "type="...)
	dst = appendType(dst, n.Type)
	dst = append(dst, " msg=audit("...)
	dst = strconv.AppendInt(dst, at.Unix(), 10)
	dst = append(appendDigits(append(dst, '.'), at.Nanosecond()/1e6, 3), ':')
	dst = strconv.AppendUint(dst, uint64(serial), 10)
	dst = append(dst, "): op="...)
	dst = appendValue(dst, n.Op)
	dst = appendUint(dst, " auid=", uint64(n.Actor.AUID))
	dst = appendUint(dst, " pid=", uint64(n.Actor.PID))
	dst = appendUint(dst, " uid=", uint64(n.Actor.UID))
	dst = appendUint(dst, " ses=", uint64(n.Actor.Session))
	for _, f := range n.Fields {
		dst = append(dst, ' ')
		dst = append(dst, f.Key...)
		dst = append(dst, '=')
		dst = appendValue(dst, f.Value)
	}
	if n.Failed {
		return append(dst, " res=failed\n"...)
	}
	return append(dst, " res=success\n"...)
}

func appendUint(dst []byte, key string, v uint64) []byte {
	dst = append(dst, key...)
	return strconv.AppendUint(dst, v, 10)
}

// appendValue writes plain tokens bare, other printable ASCII in quotes and
// the rest as upper-case hex, as audit_log_untrustedstring in kernel/audit.c. So
// is what could be read as msg='…', where a program's claims begin.
func appendValue(dst []byte, v string) []byte {
	if v == "" {
		return append(dst, '?')
	}
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c < 0x21 && c != ' ' || c > 0x7e || c == '"' || c == '\'' && i > 0 && v[i-1] == '=':
			const hex = "0123456789ABCDEF"
			for i := 0; i < len(v); i++ {
				dst = append(dst, hex[v[i]>>4], hex[v[i]&15])
			}
			return dst
		case c == ' ' || c == '\'':
			quoted = true
		}
	}
	if !quoted {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	dst = append(dst, v...)
	return append(dst, '"')
}
