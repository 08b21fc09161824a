package cef

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/outline"
	"auditbridge/auditbridge/summary"
)

// key is a key of the extension. Those of the specification have its length
// and type; a value longer is cut there, for AbEventData has it whole.
type key struct {
	name    string
	label   string // written as NAMELabel before it
	length  int    // bytes; 0 is no bound of its own
	kind    kind
	meaning string
	value   func(*outline.Outline) []byte // nil: written by name
}

type kind uint8

const (
	text kind = iota
	number
	ipv4
	ipv6
	host // a name, not an address that has a key of its own
)

var kindNames = [...]string{text: "text", number: "number", ipv4: "IPv4 address", ipv6: "IPv6 address", host: "text"}

// named are keys whose value is the event's own, not a record's.
var named = []key{
	{name: "rt", meaning: "when it happened: milliseconds since 1970, UTC"},
	{name: "dvchost", length: 100, meaning: "the host it happened on, its whole name"},
	{name: "externalId", length: 40, meaning: "what names the event: SECONDS.MILLIS:SERIAL"},
	{name: "cat", length: 1023, meaning: "class: login, config-change, session, system, alarm"},
	{name: "outcome", length: 63, meaning: "success or failure; absent when the event does not say"},
	{name: "reason", length: 1023, meaning: "why it failed"},
	{name: "msg", length: 1023, meaning: "one sentence for people; of a raised alarm TITLE, DESCRIPTION and REMEDIATION"},
	{name: "AbType", meaning: "type of the record that decides"},
	{name: "AbJournal", meaning: "identifier of the journal; with AbFirst and AbLast it tells duplicates"},
	{name: "AbFirst", meaning: "number of the event's first record in the journal"},
	{name: "AbLast", meaning: "number of its last record"},
	{name: "AbRecords", meaning: "how many records it has"},
	{name: "AbEnded", meaning: "why the event ended, when neither EOE nor its type ended it"},
	{name: "AbDoubtful", meaning: "yes: not understood or not whole, so it passed every filter"},
	{name: "AbEventData", meaning: "every field of every record, as text"},
	{name: "AbTruncated", meaning: "yes: the message reached its bound, more stands in the journal"},
}

// outlined are keys whose value some record has, in the order in which they
// are written.
var outlined = []key{
	{name: "act", length: 63, meaning: "what was done; of an event that is a system call, its name", value: func(o *outline.Outline) []byte { return o.Operation }},
	{name: "suser", length: 1023, meaning: "who did it: the login user's name, where a record or a table has it", value: func(o *outline.Outline) []byte { return actor(o, o.LoginName, o.UserName) }},
	{name: "suid", length: 1023, meaning: "the login user's id; without one the process's user id", value: func(o *outline.Outline) []byte { return actor(o, o.LoginID, o.UserID) }},
	{name: "duser", length: 1023, meaning: "account concerned, as a program claims", value: func(o *outline.Outline) []byte { return o.Account }},
	{name: "duid", length: 1023, meaning: "its id, as a program claims", value: func(o *outline.Outline) []byte { return o.AccountID }},
	{name: "sproc", length: 1023, meaning: "program file, else program name; of a program's message as it claims", value: program},
	{name: "spid", kind: number, meaning: "process", value: func(o *outline.Outline) []byte { return o.PID }},
	{name: "dproc", length: 1023, meaning: "process acted upon, such as one a signal was sent to", value: func(o *outline.Outline) []byte { return o.ObjectName }},
	{name: "dpid", kind: number, meaning: "its id", value: func(o *outline.Outline) []byte { return o.ObjectPID }},
	{name: "src", kind: ipv4, meaning: "IPv4 address it came from", value: func(o *outline.Outline) []byte { return o.SourceAddress }},
	{name: "c6a2", kind: ipv6, label: "Source IPv6 Address", meaning: "IPv6 address it came from", value: func(o *outline.Outline) []byte { return o.SourceAddress }},
	{name: "shost", kind: host, length: 1023, meaning: "host it came from, by name", value: sourceHost},
	{name: "spt", kind: number, meaning: "port it came from", value: func(o *outline.Outline) []byte { return o.SourcePort }},
	{name: "dst", kind: ipv4, meaning: "IPv4 address it went to", value: func(o *outline.Outline) []byte { return o.DestinationAddress }},
	{name: "c6a3", kind: ipv6, label: "Destination IPv6 Address", meaning: "IPv6 address it went to", value: func(o *outline.Outline) []byte { return o.DestinationAddress }},
	{name: "dpt", kind: number, meaning: "port it went to", value: func(o *outline.Outline) []byte { return o.DestinationPort }},
	{name: "proto", length: 31, meaning: "transport protocol's number", value: func(o *outline.Outline) []byte { return o.Transport }},
	{name: "destinationServiceName", length: 1023, meaning: "service started or stopped", value: func(o *outline.Outline) []byte { return o.Unit }},
	{name: "fname", length: 1023, meaning: "file, without its directory", value: fileName},
	{name: "filePath", length: 1023, meaning: "file, as the record names it", value: func(o *outline.Outline) []byte { return o.Path }},
	{name: "fileId", length: 1023, meaning: "its inode", value: func(o *outline.Outline) []byte { return o.Inode }},
	{name: "filePermission", length: 1023, meaning: "its mode (octal)", value: func(o *outline.Outline) []byte { return o.PathMode }},
	{name: "cs1", label: "Audit Key", length: 4000, meaning: "keys of the audit rule that matched, with commas", value: ruleKeys},
	{name: "cs2", label: "Security Label", length: 4000, meaning: "security label of the process", value: func(o *outline.Outline) []byte { return o.Label }},
	{name: "cs3", label: "Terminal", length: 4000, meaning: "terminal", value: func(o *outline.Outline) []byte { return o.Terminal }},
	{name: "cs4", label: "Command Line", length: 4000, meaning: "command line", value: func(o *outline.Outline) []byte { return o.Title }},
	{name: "cs5", label: "Working Directory", length: 4000, meaning: "working directory", value: func(o *outline.Outline) []byte { return o.Directory }},
	{name: "cs6", label: "Object Label", length: 4000, meaning: "security label of what it is about", value: func(o *outline.Outline) []byte { return o.ObjectLabel }},
	{name: "cn1", label: "User ID", kind: number, meaning: "user id of the process", value: func(o *outline.Outline) []byte { return o.UserID }},
	{name: "cn2", label: "Session", kind: number, meaning: "login session", value: func(o *outline.Outline) []byte { return o.Session }},
	{name: "cn3", label: "System Call", kind: number, meaning: "number of the system call", value: func(o *outline.Outline) []byte { return o.Syscall }},
}

func actor(o *outline.Outline, login, process []byte) []byte {
	if o.LoginID != nil {
		return login
	}
	return process
}

func program(o *outline.Outline) []byte {
	if o.Program != nil {
		return o.Program
	}
	return o.Name
}

func sourceHost(o *outline.Outline) []byte {
	if o.SourceHost != nil {
		return o.SourceHost
	}
	return o.SourceAddress
}

func fileName(o *outline.Outline) []byte {
	return o.Path[bytes.LastIndexByte(o.Path, '/')+1:]
}

// ruleKeys has commas for the control character that joins them.
func ruleKeys(o *outline.Outline) []byte {
	for i, c := range o.Key {
		if c == 0x01 {
			o.Key[i] = ','
		}
	}
	return o.Key
}

var byName = func() map[string]*key {
	m := map[string]*key{}
	for i := range named {
		m[named[i].name] = &named[i]
	}
	return m
}()

// keys appends all keys that have something to say.
func (w *Writer) keys(e *auditbridge.Event, v *auditbridge.Verdict) {
	w.outline.Read(e, v)
	w.resolve(e)
	if v.Role == auditbridge.Syscall && w.outline.Operation == nil {
		w.outline.Operation = w.outline.Call
	}
	w.event(e, v)
	for i := range outlined {
		k := &outlined[i]
		if value := k.value(&w.outline); k.fits(value) {
			w.add(k, value)
		}
	}
	w.space = w.text.AppendRecords(w.space[:0], e, w.config.MaxBytes)
	w.add(byName["AbEventData"], w.space)
}

// resolve finds the names that no record has.
func (w *Writer) resolve(e *auditbridge.Event) {
	o := &w.outline
	if o.LoginName == nil {
		o.LoginName = o.NameOf(w.config.Interpreter, e.ID.Node, o.LoginID)
	}
	if o.UserName == nil {
		o.UserName = o.NameOf(w.config.Interpreter, e.ID.Node, o.UserID)
	}
}

// event appends the keys that name the event and say what it comes to.
func (w *Writer) event(e *auditbridge.Event, v *auditbridge.Verdict) {
	whole := e.End != auditbridge.EndMalformed
	if whole {
		w.number("rt", uint64(e.ID.Seconds)*1000+uint64(e.ID.Millis))
	}
	if e.ID.Node != "" {
		w.say("dvchost", e.ID.Node)
	} else if w.config.Node != "" {
		w.say("dvchost", w.config.Node)
	}
	if whole {
		w.space = e.ID.AppendStamp(w.space[:0])
		w.add(byName["externalId"], w.space[len("audit("):len(w.space)-len(")")])
	}
	w.say("cat", v.Class.String())
	switch v.Result {
	case auditbridge.Success:
		w.say("outcome", "success")
	case auditbridge.Fail:
		w.say("outcome", "failure")
		w.add(byName["reason"], v.Reason)
	}
	if w.space = appendAdvice(w.space[:0], e); len(w.space) == 0 {
		w.space = summary.Append(w.space, e, v, w.config.Interpreter)
	}
	w.add(byName["msg"], w.space)
	if whole {
		w.add(byName["AbType"], e.Records[v.Deciding].TypeName())
	}
	if w.config.Journal != "" {
		w.say("AbJournal", w.config.Journal)
	}
	w.number("AbFirst", uint64(e.First))
	w.number("AbLast", uint64(e.Last))
	w.number("AbRecords", uint64(len(e.Records)))
	if e.End != auditbridge.EndEOE && e.End != auditbridge.EndComplete {
		w.say("AbEnded", e.End.String())
	}
	if v.Doubtful {
		w.say("AbDoubtful", "yes")
	}
}

func (w *Writer) say(name, value string) {
	w.space = append(w.space[:0], value...)
	w.add(byName[name], w.space)
}

func (w *Writer) number(name string, n uint64) {
	w.space = strconv.AppendUint(w.space[:0], n, 10)
	w.add(byName[name], w.space)
}

// fits reports whether value is one that the key's type allows.
func (k *key) fits(value []byte) bool {
	switch k.kind {
	case number:
		return outline.IsNumber(value)
	case ipv4:
		return outline.IsIPv4(value)
	case ipv6:
		return outline.IsIPv6(value)
	case host:
		return len(value) > 0 && !outline.IsIPv4(value) && !outline.IsIPv6(value)
	}
	return len(value) > 0
}

// add appends a key and its value, as much as its length and the bound allow.
func (w *Writer) add(k *key, value []byte) {
	need := len(k.name) + len(" =")
	if k.label != "" {
		need += len(k.name) + len("Label= ") + len(k.label)
	}
	room := w.end - len(w.dst) - need
	if w.full || room <= 0 {
		w.full = true
		return
	}
	if len(w.dst) > w.extension {
		w.dst = append(w.dst, ' ')
	}
	if k.label != "" {
		w.dst = append(append(append(append(w.dst, k.name...), "Label="...), k.label...), ' ')
	}
	w.dst = append(append(w.dst, k.name...), '=')
	bounded := k.length > 0 && k.length < room
	if bounded {
		room = k.length
	}
	var whole bool
	w.dst, whole = appendValue(w.dst, value, room)
	w.full = !whole && !bounded
}
