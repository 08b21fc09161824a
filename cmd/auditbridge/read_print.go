package main

import (
	"io"
	"runtime"

	"auditbridge/auditbridge"
	"auditbridge/internal/accounts"
)

// printer is the last stage of read: it has events formatted and writes them in
// the order in which it took them. Formatting is most of the work, so several
// goroutines share it, a batch each; one writes, and waits for the batch whose
// turn it is. Where names are to be heard from the events, in their order, one
// formats.
type printer struct {
	names   *accounts.Reader // hears every event before it is formatted; may be nil
	out     io.Writer
	failed  func(error)
	formats []eventFormat // one for each goroutine, the last for the one that writes
	queue   chan *batch   // in order
	work    chan *batch   // the same, for who formats
	free    chan *batch
	filling *batch
	ended   chan struct{}
	err     error // of the first write that failed; nothing is written after it
}

// batch is events on their way, copied out of the reassembler's hands.
type batch struct {
	events  []printable
	records []auditbridge.Record // of all events
	bytes   []byte               // of all records; never grown
	text    []byte               // all events, formatted
	ready   chan struct{}        // gets one when text is
	direct  *printable           // instead: one too large to copy; ready is for whoever took it
}

type printable struct {
	event  auditbridge.Event
	goesOn bool // see eventFormat
	silent bool // is heard, not printed
}

const (
	batchBytes   = 128 << 10
	batchRecords = 1024
)

// newPrinter returns a printer that works from start until close. open makes a
// format, which may spill what it has of a large event; failed is told when
// writing does not work.
func newPrinter(out io.Writer, open func(spill func([]byte) []byte) eventFormat, names *accounts.Reader, failed func(error)) *printer {
	workers := min(runtime.GOMAXPROCS(0), 4)
	if names != nil {
		workers = 1
	}
	count := 2*workers + 1
	p := &printer{
		names: names, out: out, failed: failed,
		queue: make(chan *batch, count), work: make(chan *batch, count), free: make(chan *batch, count),
		ended: make(chan struct{}),
	}
	for range workers {
		p.formats = append(p.formats, open(nil))
	}
	p.formats = append(p.formats, open(p.spill))
	for range count {
		p.free <- &batch{bytes: make([]byte, 0, batchBytes), ready: make(chan struct{}, 1)}
	}
	p.filling = <-p.free
	return p
}

func (p *printer) start() {
	last := len(p.formats) - 1
	for _, format := range p.formats[:last] {
		go p.formatAll(format)
	}
	go p.writeAll(p.formats[last])
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
	if p.filling.add(&e) {
		return
	}
	p.flush()
	if p.filling.add(&e) {
		return
	}
	b, large := p.filling, e // only a large one goes to the heap
	b.direct = &large
	p.queue <- b
	<-b.ready
	b.direct = nil
}

// flush has all printed that was taken.
func (p *printer) flush() {
	if len(p.filling.events) > 0 {
		p.queue <- p.filling
		p.work <- p.filling
		p.filling = <-p.free
	}
}

// close waits until all is written and returns what went wrong.
func (p *printer) close() error {
	p.flush()
	close(p.queue)
	close(p.work)
	<-p.ended
	return p.err
}

func (p *printer) formatAll(format eventFormat) {
	v := new(auditbridge.Verdict) // one for all events
	for b := range p.work {
		for i := range b.events {
			b.text = p.formatOne(b.text, &b.events[i], v, format)
		}
		b.ready <- struct{}{}
	}
}

func (p *printer) formatOne(text []byte, e *printable, v *auditbridge.Verdict, format eventFormat) []byte {
	if p.names != nil {
		p.names.Observe(&e.event)
	}
	if e.silent {
		return text
	}
	*v = auditbridge.Classify(&e.event)
	return format(text, &e.event, v, e.goesOn)
}

func (p *printer) writeAll(format eventFormat) {
	defer close(p.ended)
	var text []byte
	for b := range p.queue {
		if b.direct != nil {
			text = p.spill(p.formatOne(text, b.direct, new(auditbridge.Verdict), format))
			b.ready <- struct{}{} // who waits for it has the batch
			continue
		}
		<-b.ready
		p.spill(b.text)
		b.reset()
		p.free <- b
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
	if len(b.bytes)+size > cap(b.bytes) || len(b.records)+len(records) > batchRecords && len(b.events) > 0 {
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
	b.events, b.records, b.bytes, b.text = b.events[:0], b.records[:0], b.bytes[:0], b.text[:0]
}
