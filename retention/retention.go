// Package retention decides how long and how much of a journal is kept: closed
// segments older than retention, or beyond max-size or max-files, are dropped
// whole, oldest first, and on record. What holds a segment is stronger than what
// drops it, in this order: a legal hold, a relay that has not delivered it
// (overrun = "keep"), the least time anything is kept; then size, then age.
package retention

import (
	"errors"
	"fmt"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// Config says what is kept.
type Config struct {
	Age      time.Duration // a closed segment's newest record may be this old
	Least    time.Duration // a closed segment stays for this long, whatever MaxSize and MaxFiles say; 0 means no time
	MaxSize  int64         // bytes of all segments together, the open one included
	MaxFiles int           // closed segments; 0 means any number
	Keep     bool          // overrun = "keep": what a relay has not delivered stays, whatever all the others say
	Hold     bool          // a legal hold: nothing goes
}

// Validate returns every problem at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Age <= 0 {
		errs = append(errs, fmt.Errorf("retention: %v is not a positive duration", c.Age))
	}
	if c.MaxSize <= 0 {
		errs = append(errs, fmt.Errorf("max-size: %d is not a positive number of bytes", c.MaxSize))
	}
	if c.MaxFiles < 0 {
		errs = append(errs, fmt.Errorf("max-files: %d is not a number of files", c.MaxFiles))
	}
	if c.Least < 0 || c.Least > c.Age {
		errs = append(errs, fmt.Errorf("min-retention: %v is not within retention, %v", c.Least, c.Age))
	}
	return errors.Join(errs...)
}

// Cursor is how far a relay has delivered: all up to and including At.
type Cursor struct {
	Relay string
	At    auditbridge.Sequence
}

// Reason is why segments are dropped.
type Reason string

const (
	ByAge   Reason = "retention"
	BySize  Reason = "max-size"
	ByFiles Reason = "max-files"
	// ByRoom segments go before they are due: a disk level's action is rotate.
	ByRoom Reason = "rotate"
	// Unfinished segments were to go when the last process died.
	Unfinished Reason = "unfinished"
)

// Drop is one decision: the oldest segments that go for one reason.
type Drop struct {
	Reason      Reason
	Segments    int
	First, Last auditbridge.Sequence
	Bytes       int64
	Undelivered []Undelivered // what each relay loses by it, only those that lose anything
}

// Undelivered is how many records a relay had not delivered when they went.
type Undelivered struct {
	Relay   string
	Records uint64
}

// Kept is a journal as a decision sees it.
type Kept struct {
	Segments []journal.Segment    // oldest first, the open one last
	Doomed   auditbridge.Sequence // up to here all was to go when the last process died
	Cursors  []Cursor
}

// Decide says what is to be dropped at now, which is a Clock's. It drops from
// the old end only, so that what is kept is always one unbroken stretch, and
// never the open segment.
func Decide(now time.Time, kept Kept, cfg Config) []Drop {
	if cfg.Hold {
		return nil
	}
	var total int64
	for _, s := range kept.Segments {
		total += s.Bytes
	}
	closed := len(kept.Segments) - 1
	var drops []Drop
	for _, s := range kept.Segments {
		reason := Unfinished
		if s.Closed.IsZero() || s.Last > kept.Doomed {
			reason = due(now, s, total, closed, cfg)
			if cfg.Keep && !delivered(s, kept.Cursors) {
				reason = ""
			}
		}
		if reason == "" {
			break
		}
		total -= s.Bytes
		closed--
		drops = add(drops, reason, s)
	}
	for i := range drops {
		drops[i].Undelivered = undelivered(&drops[i], kept.Cursors)
	}
	return drops
}

// Oldest is the drop of the oldest closed segment although it is not due, or nil
// when there is none, or something holds it.
func Oldest(now time.Time, kept Kept, cfg Config) *Drop {
	if cfg.Hold || len(kept.Segments) < 2 {
		return nil
	}
	s := kept.Segments[0]
	if s.Closed.IsZero() || now.Sub(s.Closed) < cfg.Least || cfg.Keep && !delivered(s, kept.Cursors) {
		return nil
	}
	d := &add(nil, ByRoom, s)[0]
	d.Undelivered = undelivered(d, kept.Cursors)
	return d
}

// due is why s goes now, or "", when total bytes and closed segments are left.
func due(now time.Time, s journal.Segment, total int64, closed int, cfg Config) Reason {
	age := now.Sub(s.Closed)
	switch {
	case s.Closed.IsZero():
		return ""
	case age > cfg.Age:
		return ByAge
	case age < cfg.Least:
		return ""
	case total > cfg.MaxSize:
		return BySize
	case cfg.MaxFiles > 0 && closed > cfg.MaxFiles:
		return ByFiles
	}
	return ""
}

func delivered(s journal.Segment, cursors []Cursor) bool {
	for _, c := range cursors {
		if c.At < s.Last {
			return false
		}
	}
	return true
}

// add puts s to the drop before it when the reason is the same.
func add(drops []Drop, reason Reason, s journal.Segment) []Drop {
	if n := len(drops); n > 0 && drops[n-1].Reason == reason {
		d := &drops[n-1]
		d.Segments++
		d.Last = s.Last
		d.Bytes += s.Bytes
		return drops
	}
	return append(drops, Drop{Reason: reason, Segments: 1, First: s.First, Last: s.Last, Bytes: s.Bytes})
}

func undelivered(d *Drop, cursors []Cursor) []Undelivered {
	var lost []Undelivered
	for _, c := range cursors {
		if c.At >= d.Last {
			continue
		}
		from := max(c.At+1, d.First)
		lost = append(lost, Undelivered{c.Relay, uint64(d.Last-from) + 1})
	}
	return lost
}
