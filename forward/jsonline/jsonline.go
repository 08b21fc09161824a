// Package jsonline writes events as JSON, one object a line. It is pure and
// allocates nothing per event. docs/format/json.md is its description.
package jsonline

import (
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
	"auditbridge/auditbridge/summary"
)

// Writer writes events. It keeps scratch space: one goroutine at a time.
type Writer struct {
	// Interpreter adds what values mean, and names people in the summary. nil
	// leaves both out.
	Interpreter *interpret.Interpreter
	// Node is the host's name, for events whose records do not say it.
	Node string
	// Spill takes what has been written of an event when that is much, and
	// returns an empty slice to go on with. nil keeps events whole.
	Spill func(dst []byte) []byte

	keys    [][]byte // of the part at hand
	members []member // the same when a key may stand there more than once
	slots   []int32  // index of members
	space   []byte   // a decoded value
	inexact bool     // a string of the record at hand was not UTF-8
	second  int64    // clock is its time
	clock   []byte
}

// spillBytes is much.
const spillBytes = 64 << 10

// AppendEvent appends an event, its LF included. Every value is a string as its
// writer had it, hex decoded; a list holds the values of a key that stands in a
// record more than once. What a program claims stands under "msg", apart from
// what the kernel stamped. Nothing is left out, and all that was there can be had
// back, byte for byte.
func (w *Writer) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	dst = append(dst, '{')
	if e.End != auditbridge.EndMalformed {
		dst = append(dst, `"time":"`...)
		dst = w.appendTime(dst, e.ID)
		dst = append(dst, `","node":`...)
		w.space = append(w.space[:0], e.ID.Node...)
		if len(w.space) == 0 {
			w.space = append(w.space, w.Node...)
		}
		dst, _ = appendString(dst, w.space)
		dst = append(dst, `,"serial":`...)
		dst = strconv.AppendUint(dst, uint64(e.ID.Serial), 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"class":"`...)
	dst = append(dst, v.Class.String()...)
	dst = append(dst, '"')
	if v.Result != auditbridge.NoResult {
		dst = append(dst, `,"result":"`...)
		dst = append(dst, v.Result.String()...)
		dst = append(dst, '"')
	}
	if len(v.Reason) > 0 {
		dst = append(dst, `,"reason":`...)
		dst, _ = appendString(dst, v.Reason)
	}
	if v.Doubtful {
		dst = append(dst, `,"doubtful":"`...)
		dst = append(dst, e.End.String()...)
		dst = append(dst, '"')
	}
	if e.End == auditbridge.EndLate {
		dst = append(dst, `,"late":true`...)
	}
	w.space = summary.Append(w.space[:0], e, v, w.Interpreter)
	dst = append(dst, `,"summary":`...)
	dst, _ = appendString(dst, w.space)
	dst = w.appendArguments(dst, e)
	dst = append(dst, `,"records":[`...)
	for i := range e.Records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendRecord(dst, e, &e.Records[i])
		if w.Spill != nil && len(dst) > spillBytes {
			dst = w.Spill(dst)
		}
	}
	return append(dst, "]}\n"...)
}

// appendTime appends the time; events of one second share most of it.
func (w *Writer) appendTime(dst []byte, id auditbridge.EventID) []byte {
	if w.second != id.Seconds || w.clock == nil {
		w.second, w.clock = id.Seconds, id.AppendTime(w.clock[:0])
		return append(dst, w.clock...)
	}
	at := len(w.clock) - len("678Z")
	w.clock[at] = byte('0' + id.Millis/100)
	w.clock[at+1] = byte('0' + id.Millis/10%10)
	w.clock[at+2] = byte('0' + id.Millis%10)
	return append(dst, w.clock...)
}
