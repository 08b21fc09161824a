package main

import (
	"io"

	"auditbridge/auditbridge"
	"auditbridge/internal/accounts"
)

// printer is the last stage of read: it has events formatted and written in the
// order in which it took them.
type printer struct {
	format    eventFormat
	names     *accounts.Reader // hears every event before it is formatted; may be nil
	out       io.Writer
	failed    func(error)
	work      chan *batch
	free      chan *batch
	filling   *batch
	unwritten bool // something was taken since flush
	ended     chan struct{}
	err       error  // of the first write that failed; nothing is written after it
	text      []byte // formatted, not yet written
}

// batch is events on their way from one stage to the other, copied out of the
// reassembler's hands.
type batch struct {
	events  []printable
	records []auditbridge.Record // of all events
	bytes   []byte               // of all records; never grown
	direct  *printable           // instead: one too large to copy, done when it is printed
	done    chan struct{}
	flush   bool // nothing more is there at the moment: write
}

type printable struct {
	event  auditbridge.Event
	goesOn bool // see eventFormat
	silent bool // is heard, not printed
}

const (
	batchBytes = 512 << 10
	batchCount = 3
	spillBytes = 128 << 10
)

// newPrinter returns a printer that works in run, from when its format is set
// until close. failed is told when writing does not work.
func newPrinter(out io.Writer, failed func(error)) *printer {
	p := &printer{
		out: out, failed: failed,
		work: make(chan *batch, batchCount), free: make(chan *batch, batchCount),
		ended: make(chan struct{}),
	}
	for range batchCount {
		p.free <- &batch{bytes: make([]byte, 0, batchBytes), done: make(chan struct{})}
	}
	p.filling = <-p.free
	return p
}

// take takes an event to print. It may be reused when take returns.
func (p *printer) take(e *auditbridge.Event, goesOn bool) {
	p.add(printable{event: *e, goesOn: goesOn})
}

// hear takes an event that is not printed, for the names in it.
func (p *printer) hear(e *auditbridge.Event) {
	p.add(printable{event: *e, silent: true})
}

func (p *printer) add(e printable) {
	p.unwritten = true
	if p.filling.add(&e) {
		return
	}
	if len(p.filling.events) > 0 {
		p.pass()
		if p.filling.add(&e) {
			return
		}
	}
	b := p.filling
	large := e // only it goes to the heap
	b.direct = &large
	p.pass()
	<-b.done
}

// pass hands on what has been filled.
func (p *printer) pass() {
	p.work <- p.filling
	p.filling = <-p.free
}

// flush has all written that was taken.
func (p *printer) flush() {
	if p.unwritten {
		p.filling.flush = true
		p.pass()
		p.unwritten = false
	}
}

// close waits until all is written and returns what went wrong.
func (p *printer) close() error {
	p.flush()
	close(p.work)
	<-p.ended
	return p.err
}

// run prints until close is called.
func (p *printer) run() {
	defer close(p.ended)
	for b := range p.work {
		p.print(b)
		if b.direct != nil {
			b.done <- struct{}{}
		}
		b.reset()
		p.free <- b
	}
}

func (p *printer) print(b *batch) {
	for i := range b.events {
		p.event(&b.events[i])
	}
	if b.direct != nil {
		p.event(b.direct)
	}
	if b.flush {
		p.text = p.spill(p.text)
	}
}

func (p *printer) event(e *printable) {
	if p.err != nil {
		return
	}
	if p.names != nil {
		p.names.Observe(&e.event)
	}
	if e.silent {
		return
	}
	v := auditbridge.Classify(&e.event)
	p.text = p.format(p.text, &e.event, &v, e.goesOn)
	if len(p.text) >= spillBytes {
		p.text = p.spill(p.text)
	}
}

// spill writes text and returns the room that it leaves.
func (p *printer) spill(text []byte) []byte {
	if p.err == nil && len(text) > 0 {
		if _, p.err = p.out.Write(text); p.err != nil {
			p.failed(p.err)
		}
	}
	return text[:0]
}

// add copies an event and reports whether there was room for it.
func (b *batch) add(e *printable) bool {
	size := 0
	records := e.event.Records
	for i := range records {
		size += len(records[i].Line)
	}
	if len(b.bytes)+size > cap(b.bytes) || len(b.records)+len(records) > batchBytes/64 && len(b.events) > 0 {
		return false
	}
	first := len(b.records)
	for _, r := range records {
		start := len(b.bytes)
		b.bytes = append(b.bytes, r.Line...)
		r.Line = b.bytes[start:len(b.bytes):len(b.bytes)]
		b.records = append(b.records, r)
	}
	copied := *e
	copied.event.Records = b.records[first:len(b.records):len(b.records)]
	b.events = append(b.events, copied)
	return true
}

func (b *batch) reset() {
	b.events, b.records, b.bytes = b.events[:0], b.records[:0], b.bytes[:0]
	b.direct, b.flush = nil, false
}
