// Package retention decides how long and how much of a journal is kept: closed
// segments older than retention, or beyond max-size, are dropped whole, oldest
// first, and on record.
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
	Age     time.Duration // a closed segment's newest record may be this old
	MaxSize int64         // bytes of all segments together, the open one included
	Keep    bool          // overrun = "keep": what a relay has not delivered stays, whatever Age and MaxSize say
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
	ByAge  Reason = "retention"
	BySize Reason = "max-size"
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

// Decide says what is to be dropped of segments, given oldest first. It drops
// from the old end only, so that what is kept is always one unbroken stretch,
// and never the open segment.
func Decide(now time.Time, segments []journal.Segment, cursors []Cursor, cfg Config) []Drop {
	var total int64
	for _, s := range segments {
		total += s.Bytes
	}
	var drops []Drop
	for _, s := range segments {
		reason := due(now, s, total, cfg)
		if reason == "" || cfg.Keep && !delivered(s, cursors) {
			break
		}
		total -= s.Bytes
		drops = add(drops, reason, s)
	}
	for i := range drops {
		drops[i].Undelivered = undelivered(&drops[i], cursors)
	}
	return drops
}

// due is why s goes now, or "". A clock set back keeps a segment for longer, a
// clock set forward drops it early: the time is the host's, there is no other.
func due(now time.Time, s journal.Segment, total int64, cfg Config) Reason {
	switch {
	case s.Closed.IsZero():
		return ""
	case now.Sub(s.Closed) > cfg.Age:
		return ByAge
	case total > cfg.MaxSize:
		return BySize
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
