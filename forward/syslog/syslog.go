// Package syslog writes records and events as RFC 5424 messages. It is pure
// and allocates nothing per message; who sends the bytes, and over what, is
// the relay's business. docs/format/rfc5424.md is its description for readers.
package syslog

import (
	"errors"
	"fmt"
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// appName is the APP-NAME of every message.
const appName = "auditbridge"

// defaultSDID identifies our structured data. 32473 is the enterprise number
// that RFC 5612 keeps for documentation; who has one of their own sets it.
const defaultSDID = "auditbridge@32473.1.0.0"

// defaultMaxBytes bounds a message, its header included.
const defaultMaxBytes = 64 << 10

// minMaxBytes leaves room for the header and what names an event.
const minMaxBytes = 2048

// Config is what all messages of a destination have in common.
type Config struct {
	Node     string // HOSTNAME, of records that do not name their own node; name.group allowed
	PID      int    // PROCID: of the process that hears the records; 0 is unknown
	Journal  string // id of the journal, "" when the records stand in none
	SDID     string // SD-ID; "" is defaultSDID
	MaxBytes int    // of one message; 0 is defaultMaxBytes

	Interpreter *interpret.Interpreter // of RFC 3164's sentence; nil: ids stay numbers
}

// Validate returns every problem of c at once.
func (c Config) Validate() error {
	var problems []error
	if err := checkName("sd-id", c.SDID, 32); c.SDID != "" && err != nil {
		problems = append(problems, err)
	}
	if err := checkName("node", c.Node, 255); c.Node != "" && err != nil {
		problems = append(problems, err)
	}
	if c.MaxBytes != 0 && c.MaxBytes < minMaxBytes {
		problems = append(problems, fmt.Errorf("max-bytes: %d is less than %d", c.MaxBytes, minMaxBytes))
	}
	return errors.Join(problems...)
}

// checkName holds a name to SD-NAME (RFC 5424 section 6), which is also safe
// for HOSTNAME.
func checkName(what, name string, limit int) error {
	if len(name) > limit {
		return fmt.Errorf("%s: %q is longer than %d characters", what, name, limit)
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c > '~' || c == '=' || c == ']' || c == '"' {
			return fmt.Errorf("%s: %q: character %q is not allowed", what, name, c)
		}
	}
	return nil
}

// Format writes messages. It is immutable; several goroutines may share it.
type Format struct {
	node    string
	procID  string
	journal string
	sdID    string
	max     int
}

// New returns the Format of a valid Config.
func New(c Config) *Format {
	f := &Format{node: c.Node, journal: c.Journal, sdID: c.SDID, max: c.MaxBytes, procID: "-"}
	if f.sdID == "" {
		f.sdID = defaultSDID
	}
	if f.max == 0 {
		f.max = defaultMaxBytes
	}
	if c.PID > 0 {
		f.procID = strconv.Itoa(c.PID)
	}
	return f
}

// AppendRecord appends the message of one record, in the format called "audit":
// the line as it stands in the journal is the MSG, so that a copy of the
// journal can be cut out at the far end and verified. HOSTNAME is therefore one
// for the whole journal; a record's node= stands in its line. v is its event's
// verdict.
func (f *Format) AppendRecord(dst []byte, r *auditbridge.Record, v *auditbridge.Verdict) []byte {
	h, ok := auditbridge.ParseHeader(r.Line)
	dst = f.appendHeader(dst, h.ID, "", ok, v)
	dst = f.openElement(dst)
	dst = appendNumber(dst, "sequence", uint64(r.Sequence))
	dst = append(dst, "] "...)
	return append(dst, r.Line...)
}

// AppendFrame appends a message in octet-counting framing (RFC 6587 §3.4.1).
func AppendFrame(dst, message []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(len(message)), 10)
	dst = append(dst, ' ')
	return append(dst, message...)
}

// AppendLine appends a message that ends in LF (RFC 6587 §3.4.2). An LF in it, which
// no format of ours has, becomes a blank: it must not begin another message.
func AppendLine(dst, message []byte) []byte {
	start := len(dst)
	dst = append(dst, message...)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\n' {
			dst[i] = ' '
		}
	}
	return append(dst, '\n')
}

// appendHeader appends `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID `.
func (f *Format) appendHeader(dst []byte, id auditbridge.EventID, node string, timed bool, v *auditbridge.Verdict) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendUint(dst, uint64(v.Facility)*8+uint64(v.Severity), 10)
	dst = append(dst, ">1 "...)
	if timed {
		dst = id.AppendTime(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ' ')
	dst = f.appendHost(dst, node)
	dst = append(dst, " "+appName+" "...)
	dst = append(dst, f.procID...)
	dst = append(dst, ' ')
	dst = append(dst, v.MsgID...)
	return append(dst, ' ')
}

// appendHost appends the node a record names itself, else ours. What HOSTNAME
// may not hold becomes '?': a record must not forge the fields behind it.
func (f *Format) appendHost(dst []byte, node string) []byte {
	if len(node) == 0 {
		if f.node == "" {
			return append(dst, '-')
		}
		return append(dst, f.node...)
	}
	for i := range min(len(node), 255) {
		c := node[i]
		if c <= ' ' || c > '~' {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}
