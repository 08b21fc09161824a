package main

import (
	"context"
	"io"

	"auditbridge/auditbridge"
	"auditbridge/internal/accounts"
	"auditbridge/internal/logfile"
	"auditbridge/internal/terminal"
)

// read is three stages, and never changes the order:
//
//	fetch   opens, decompresses          ─ blocks ─►
//	gather  lines, events, selection     ─ batches ─►
//	print   classifies, formats, writes (see printer)
//
// Blocks and batches go round: there is a fixed number of both, so memory does
// not depend on who is slow. Where nothing more is there to read at the moment,
// what has come is printed, so that a pipe can be watched.

// block is a piece of an input.
type block struct {
	in    *logfile.Input
	data  []byte
	taken int64 // bytes of the input on disk behind this block
	err   error // a problem that ended the input
	end   bool
	last  bool // of all inputs
}

const (
	blockBytes = 256 << 10
	blockCount = 4
)

// pump runs the stages until all is printed, ctx ends or printing fails, whose
// error it returns.
func (j *readJob) pump(ctx context.Context, inputs []*logfile.Input, t *readTally, p *progress) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := j.out
	if isTerminal(out) {
		screen := terminal.NewWriter(out)
		defer screen.Flush()
		out = screen
	}
	printer := newPrinter(out, j.open, j.names, stop)
	printer.start()
	g := &gatherer{
		verbatim:    j.verbatim,
		reassembler: auditbridge.NewReassembler(j.limits()),
		selection:   &j.selection,
		tally:       t,
		printer:     printer,
		lone:        auditbridge.Event{End: auditbridge.EndMalformed, Records: make([]auditbridge.Record, 1)},
	}
	g.gather(ctx, fetch(ctx, inputs), p)
	return printer.close()
}

// open makes one more of the format; it is used by one goroutine.
func (j *readJob) open(spill func([]byte) []byte) eventFormat {
	f := j.formatting
	f.spill = spill
	return j.format.open(f)
}

// limits keep less open than a relay does: read has no more than 64 MB. What of
// an event cannot be written before it is whole takes up to 20 bytes for one.
func (j *readJob) limits() auditbridge.Limits {
	l := auditbridge.Limits{OpenBytes: 6 << 20}
	if j.formatting.ecs {
		l.EventBytes = 768 << 10
	}
	return l
}

// fetch reads the inputs one after the other. It may hang in one that gives
// nothing; who takes the blocks need not wait for it.
func fetch(ctx context.Context, inputs []*logfile.Input) (blocks fetched) {
	blocks = fetched{make(chan block, blockCount), make(chan []byte, blockCount)}
	for range blockCount {
		blocks.free <- make([]byte, blockBytes)
	}
	go func() {
		defer close(blocks.full)
		for i, in := range inputs {
			if ctx.Err() != nil {
				return
			}
			err := blocks.fetch(ctx, in)
			blocks.send(ctx, block{in: in, err: err, end: true, last: i == len(inputs)-1})
		}
	}()
	return blocks
}

type fetched struct {
	full chan block
	free chan []byte
}

func (f *fetched) fetch(ctx context.Context, in *logfile.Input) error {
	r, err := in.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	var before int64
	for {
		var data []byte
		select {
		case data = <-f.free:
		case <-ctx.Done():
			return nil
		}
		n, err := r.Read(data)
		taken := in.Taken()
		f.send(ctx, block{in: in, data: data[:n], taken: taken - before})
		before = taken
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

func (f *fetched) send(ctx context.Context, b block) {
	select {
	case f.full <- b:
	case <-ctx.Done():
	}
}

// gatherer makes events of blocks and hands on the selected ones.
type gatherer struct {
	reassembler *auditbridge.Reassembler
	selection   *selection
	tally       *readTally
	printer     *printer
	cutter      logfile.Cutter
	sequence    auditbridge.Sequence
	goesOn      bool // the line at hand is a piece, and more of it follows
	verbatim    bool // lines are printed as they come, events are only counted
	atEnd       bool // the line at hand is the last of all and has no LF
	lone        auditbridge.Event
}

func (g *gatherer) gather(ctx context.Context, blocks fetched, p *progress) {
	take, emit := g.line, g.event
	lineOf := func(line []byte, part, more bool) { take(line, part, more, emit) }
	var in *logfile.Input
	for {
		var b block
		var ok bool
		select {
		case b, ok = <-blocks.full:
		default:
			g.printer.flush()
			select {
			case b, ok = <-blocks.full:
			case <-ctx.Done():
				return
			}
		}
		if !ok {
			g.reassembler.Flush(emit)
			return
		}
		if b.in != in {
			in = b.in
			g.tally.begin(in.Name)
		}
		g.cutter.Cut(b.data, lineOf)
		p.add(int(b.taken))
		if b.data != nil {
			blocks.free <- b.data[:blockBytes]
		}
		if b.end {
			g.atEnd = b.last
			g.cutter.End(lineOf)
			if b.err != nil {
				g.tally.problem(b.err)
			}
			g.tally.end()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// line takes a line, or a piece of one; with more, the line goes on.
func (g *gatherer) line(line []byte, part, more bool, emit func(*auditbridge.Event)) {
	if g.verbatim {
		g.lone.Records[0].Line = line
		g.printer.take(&g.lone, more || g.atEnd)
	}
	if !more {
		g.tally.file.lines++
	}
	if len(line) == 0 && !part {
		g.tally.file.blanks++
		return
	}
	g.sequence++
	h, ok := auditbridge.Header{}, false
	if !part {
		h, ok = auditbridge.ParseFramed(line)
	}
	switch {
	case ok:
		g.tally.file.records++
	case !part:
		g.tally.unparsedLine()
	case !more:
		g.tally.longLine()
	}
	g.goesOn = more
	g.reassembler.PushParsed(g.sequence, line, h, ok, emit)
}

func (g *gatherer) event(e *auditbridge.Event) {
	switch e.End {
	case auditbridge.EndMalformed: // a line, not an event
		if !g.verbatim {
			g.printer.take(e, g.goesOn)
		}
		return
	case auditbridge.EndLimit:
		g.tally.limitedEvent()
	case auditbridge.EndLate:
		g.tally.late++
	}
	g.tally.events++
	switch {
	case g.verbatim:
	case g.selection.includes(e):
		g.tally.printed++
		g.printer.take(e, false)
	case g.printer.names != nil && accounts.Tells(e):
		g.printer.hear(e)
	}
}
