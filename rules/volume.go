package rules

import (
	"bytes"
	"strings"
	"time"

	"auditbridge/auditbridge"
)

// Volume is how many events a log has of each key: what rules with that key made.
type Volume struct {
	Events   map[string]int
	From, To time.Time
}

var syscallRecord = []byte("type=SYSCALL ")

// Count takes one line of a log, of any time.
func (v *Volume) Count(line []byte) {
	h, ok := auditbridge.ParseHeader(line)
	if !ok || h.ID.Serial >= 0xFF000000 { // one of our own, which may be about any time
		return
	}
	at := time.UnixMilli(1000*h.ID.Seconds + int64(h.ID.Millis))
	if v.From.IsZero() || at.Before(v.From) {
		v.From = at
	}
	if at.After(v.To) {
		v.To = at
	}
	if !bytes.HasPrefix(line, syscallRecord) {
		return
	}
	fields := auditbridge.ScanFields(line[h.Body:])
	if !fields.Find("key") || string(fields.Value) == "(null)" {
		return
	}
	if v.Events == nil {
		v.Events = map[string]int{}
	}
	for key := range strings.SplitSeq(string(fields.AppendDecoded(nil, h.Type)), keyBoundary) {
		v.Events[key]++
	}
}

// KeyVolume is what rules with one key make, by a log.
type KeyVolume struct {
	Key    string  `json:"key"`
	Rules  int     `json:"rules"`
	Events int     `json:"events"`
	PerDay float64 `json:"per_day"`
}

// leastDays is less than which no log is asked: an hour says little of a day.
const leastDays = 1.0 / 24

// Of says, of each key of the rules, in their order, how many events a day it
// makes; nothing when the log is too short.
func (v *Volume) Of(d *Desired) (all []KeyVolume) {
	days := v.To.Sub(v.From).Hours() / 24
	if days < leastDays {
		return nil
	}
	at := map[string]int{}
	for i := range d.Rules {
		for _, key := range d.Rules[i].Rule.Keys() {
			if _, known := at[key]; !known {
				at[key] = len(all)
				n := v.Events[key]
				all = append(all, KeyVolume{Key: key, Events: n, PerDay: float64(n) / days})
			}
			all[at[key]].Rules++
		}
	}
	return all
}
