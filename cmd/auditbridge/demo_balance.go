package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"auditbridge/auditbridge"
	"auditbridge/internal/status"
	"auditbridge/journal"
)

// balance prints the books after the daemon has ended, and is nil only if every
// line of the journal is at the far end, in order, once; the far end's copy
// verifies by itself; the kernel lost nothing; and the books balance.
func (d *demo) balance(marks int) error {
	report := d.far.finish()
	books, err := lastStatus(d.runDir())
	if err != nil {
		return d.explain(err)
	}
	kept, err := readJournal(d.journalDir())
	if err != nil {
		return err
	}
	if len(books.Destinations) != 1 {
		return fmt.Errorf("read the books: %d destinations instead of one", len(books.Destinations))
	}
	printBalance(d.out, books, kept.lines, d.far)
	fmt.Fprintf(d.out, "\nSeal of the far end's copy: %s\n", report.Summary())
	checks := []struct {
		holds bool
		what  string
	}{
		{d.receiver.failure() == nil, fmt.Sprintf("the log server could not read a message: %v", d.receiver.failure())},
		{d.far.stream == kept, fmt.Sprintf("the far end has %d lines, the journal %d, or they differ", d.far.stream.lines, kept.lines)},
		{books.Balanced, "the books do not balance"},
		{books.KernelLost == 0, fmt.Sprintf("the kernel lost %d records", books.KernelLost)},
		{books.Refused == 0, fmt.Sprintf("%d records were refused", books.Refused)},
		{report.OK(), "the far end's copy does not verify"},
		{d.far.kernel > 0 && (!d.live || marks > 0), "no record was heard"},
	}
	var problems []error
	for _, c := range checks {
		if !c.holds {
			problems = append(problems, errors.New(c.what))
		}
	}
	if len(problems) == 0 {
		fmt.Fprintln(d.out, "Every record arrived, the far end's copy verifies, the books balance.")
	}
	return errors.Join(problems...)
}

func printBalance(out io.Writer, s status.Status, journalLines uint64, far *farEnd) {
	to := s.Destinations[0]
	fmt.Fprintln(out, "\nBalance sheet:")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { fmt.Fprintf(w, format+"\t\n", args...) }
	row("  heard\t%d\t= stored %d + refused %d", s.Received, s.Stored, s.Refused)
	row("  kernel lost\t%d", s.KernelLost)
	row("  lines in the journal\t%d\t(%d of them our own: blocks, checkpoints, notes)", journalLines, journalLines-s.Stored)
	row("  read by the relay\t%d\t= delivered %d + excluded %d + pending %d", to.Read, to.Delivered, to.Excluded, to.Pending)
	row("  lines at the far end\t%d", far.stream.lines)
	w.Flush()
	fmt.Fprint(out, "  events by class:")
	for _, c := range []auditbridge.Class{auditbridge.Login, auditbridge.ConfigChange, auditbridge.Session, auditbridge.System, auditbridge.Alarm} {
		fmt.Fprintf(out, " %s %d", c, far.classes[c])
	}
	fmt.Fprintln(out)
}

// readJournal reads all of a journal whose writer has ended.
func readJournal(dir string) (kept hashedLines, err error) {
	r, err := journal.OpenReader(dir, 0, journal.ReaderOptions{})
	if err != nil {
		return kept, err
	}
	defer r.Close()
	for {
		_, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return kept, nil
		}
		if err != nil {
			return kept, err
		}
		kept.add(line)
	}
}
