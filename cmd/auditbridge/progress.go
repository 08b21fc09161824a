package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells, only when it takes long, how far a reading has come.
type progress struct {
	out         io.Writer // nil: silent
	done, total int64     // bytes; a total of 0 is unknown
	unchecked   int
	next        time.Time
}

// progressPause is the time before the first line and between two of them.
const progressPause = 2 * time.Second

func newProgress(out io.Writer, total int64) *progress {
	p := &progress{total: total, next: time.Now().Add(progressPause)}
	if isTerminal(out) {
		p.out = out
	}
	return p
}

// add counts n bytes more.
func (p *progress) add(n int) {
	p.done += int64(n)
	if p.unchecked += n; p.out == nil || p.unchecked < 1<<20 {
		return
	}
	p.unchecked = 0
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(progressPause)
		of := ""
		if p.total > 0 {
			of = fmt.Sprintf(" of %d", p.total>>20)
		}
		fmt.Fprintf(p.out, "auditbridge: read %d%s MiB\n", p.done>>20, of)
	}
}
