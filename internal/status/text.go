package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"auditbridge/internal/terminal"
	"auditbridge/internal/warning"
)

// WriteText writes a judged status for a person: the verdict in the first
// line, then causes, then the figures. Foreign text is made safe.
func WriteText(w io.Writer, s *Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s since %s: %s\n", terminal.Safe(strings.ToUpper(string(s.State))), stamp(s.Since), s.verdict())
	for _, c := range s.Causes {
		fmt.Fprintf(&b, "  cause: %s\n  next:  %s\n", terminal.Safe(c.What), terminal.Safe(c.Next))
		if c.Command != "" {
			fmt.Fprintf(&b, "  try:   %s\n", terminal.Safe(c.Command))
		}
	}
	s.figures(&b)
	for _, d := range s.Destinations {
		d.line(&b)
	}
	for _, e := range s.Entrances {
		e.line(&b)
	}
	for _, a := range s.Alarms {
		a.line(&b)
	}
	for i := range s.Warnings {
		s.warningLine(&b, &s.Warnings[i])
	}
	s.watchLine(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// watchLine says what the watch sees, and whether there is one.
func (s *Status) watchLine(b *strings.Builder) {
	w := s.Watch
	switch {
	case w == nil:
		b.WriteString("watch:   none: nobody tells operators when auditing fails\n")
		return
	case w.Missing != "":
		fmt.Fprintf(b, "watch:   missing (%s), heard last at %s\n", terminal.Safe(w.Missing), stamp(w.Heard))
		return
	}
	fmt.Fprintf(b, "watch:   %s since %s", terminal.Safe(string(w.State)), stamp(w.Since))
	for i, f := range w.Findings {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + terminal.Safe(f.Code))
		if f.Object != "" {
			b.WriteString(" of " + terminal.Safe(f.Object))
		}
	}
	if !w.SnoozedUntil.IsZero() {
		fmt.Fprintf(b, "; not repeated on terminals until %s: %s", stamp(w.SnoozedUntil), terminal.Safe(w.SnoozeReason))
	}
	b.WriteString("\n")
}

func (s *Status) verdict() string {
	switch s.Losing {
	case LosingYes:
		return "records are being lost now"
	case LosingUnknown:
		return "whether records are being lost now is not known"
	}
	return "no records are being lost"
}

func (s *Status) figures(b *strings.Builder) {
	if s.Answering || s.Received > 0 {
		fmt.Fprintf(b, "records: received %d = stored %d + in the ring %d + refused %d%s\n", s.Received, s.Stored, s.InRing, s.Refused, s.balance())
		s.refusedLine(b)
		s.lostLine(b)
	}
	s.oddLine(b)
	s.sourceLine(b)
	s.kernelLine(b)
	fmt.Fprintf(b, "journal: %s, durable up to %d of %d\n", terminal.Safe(s.JournalDir), s.Durable, s.Written)
	if s.Disk.Level != "" {
		fmt.Fprintf(b, "disk:    %s, %s used, %s free%s\n", terminal.Safe(s.Disk.Level), bytes(s.Disk.UsedBytes), bytes(s.Disk.FreeBytes), s.Disk.forecast())
	}
	if s.Checkpoint.Sequence > 0 {
		fmt.Fprintf(b, "sealed:  up to %d at %s\n", s.Checkpoint.Sequence, stamp(s.Checkpoint.Time))
	}
}

// forecast says when nothing will be left, as exactly as it can be known.
func (d *Disk) forecast() string {
	left := time.Duration(d.FullIn) * time.Second
	switch {
	case left <= 0:
		return ""
	case left < 2*time.Minute:
		return fmt.Sprintf(", nothing left in %d s at this rate", d.FullIn)
	case left < 2*time.Hour:
		return fmt.Sprintf(", nothing left in %.0f minutes at this rate", left.Minutes())
	case left < 48*time.Hour:
		return fmt.Sprintf(", nothing left in %.0f hours at this rate", left.Hours())
	}
	return fmt.Sprintf(", nothing left in %.0f days at this rate", left.Hours()/24)
}

// refusedLine says of which types the refused records are, the most first.
func (s *Status) refusedLine(b *strings.Builder) {
	if len(s.RefusedTypes) == 0 {
		return
	}
	types := slices.SortedFunc(maps.Keys(s.RefusedTypes), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.RefusedTypes[b], s.RefusedTypes[a]), cmp.Compare(a, b))
	})
	b.WriteString("refused:")
	for _, kind := range types {
		fmt.Fprintf(b, " %s %d", terminal.Safe(kind), s.RefusedTypes[kind])
	}
	if s.RefusedFirst != 0 {
		fmt.Fprintf(b, "; the latest are of serials %d to %d", s.RefusedFirst, s.RefusedLast)
	}
	b.WriteString("\n")
}

func (s *Status) lostLine(b *strings.Builder) {
	lost := span(s.KernelLost, s.KernelLostAtMost)
	if s.Multicast == nil {
		fmt.Fprintf(b, "lost:    by the kernel %s, gaps %d\n", lost, s.Gaps)
	} else {
		fmt.Fprintf(b, "lost:    %s (dropped by the socket %d, serials missing %d), gaps %d\n", lost, s.Dropped, s.Missing, s.Gaps)
	}
	if s.Away != nil {
		fmt.Fprintf(b, "         of these, run was %s\n", terminal.Safe(s.Away.words()))
	}
}

// oddLine says what went wrong on the way, when anything did.
func (s *Status) oddLine(b *strings.Builder) {
	var odd []string
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{s.KernelLostResets, "resets of the kernel's count"}, {s.Overruns, "overruns of the socket"}, {s.Foreign, "messages not of the kernel"},
		{s.Malformed, "malformed messages"}, {s.Truncated, "records cut short"}, {s.Quarantined, "bytes in quarantine"}, {s.NotesDropped, "own records dropped"},
	} {
		if c.n > 0 {
			odd = append(odd, fmt.Sprintf("%s %d", c.what, c.n))
		}
	}
	if len(odd) > 0 {
		fmt.Fprintf(b, "also:    %s\n", strings.Join(odd, ", "))
	}
}

// sourceLine says what a listener must not be taken for.
func (s *Status) sourceLine(b *strings.Builder) {
	if s.Multicast == nil {
		return
	}
	beside := "nobody owns kernel audit, which prints each record to the kernel's log too"
	switch {
	case s.KernelPID != 0:
		beside = "beside " + terminal.Safe(owner(s))
	case s.Kernel == nil:
		beside = "beside whoever owns kernel audit"
	}
	fmt.Fprintf(b, "source:  multicast, %s; its losses are not in the kernel's counter\n", beside)
	if s.Audited != "" {
		fmt.Fprintf(b, "         run is audited itself: %s\n", terminal.Safe(s.Audited))
	}
}

func (s *Status) kernelLine(b *strings.Builder) {
	if s.Kernel == nil {
		return
	}
	on := "off"
	switch s.Enabled {
	case 1:
		on = "on"
	case 2:
		on = "on, locked until reboot"
	}
	fmt.Fprintf(b, "kernel:  audit %s, %d of %d in its queue", on, s.Backlog, s.BacklogLimit)
	switch {
	case s.Rules == 0:
		b.WriteString(", NO RULES: it audits only what needs none, such as logins")
	case s.Rules > 0:
		fmt.Fprintf(b, ", %d rules", s.Rules)
	}
	b.WriteString("\n")
}

func (s *Status) balance() string {
	if s.Balanced {
		return ", in balance"
	}
	return ": NOT IN BALANCE"
}

func (d *Destination) line(b *strings.Builder) {
	link := "not connected"
	if d.Connected {
		link = "connected"
	}
	if d.Via != "" {
		link += " via " + terminal.Safe(strings.Join(append([]string{d.Via}, d.Jumps...), " via "))
	}
	if d.Promise != "" {
		link += fmt.Sprintf(" by %s (%s)", terminal.Safe(d.Protocol), terminal.Safe(d.Promise))
	}
	fmt.Fprintf(b, "to %s: %s, delivered %d, excluded %d, pending %d%s\n", terminal.Safe(d.Name), link, d.Delivered, d.Excluded, d.Pending, d.missed())
	d.security(b)
	if len(d.Classes) > 0 {
		b.WriteString("  events read:")
		for _, class := range slices.Sorted(maps.Keys(d.Classes)) {
			fmt.Fprintf(b, " %s %d", terminal.Safe(class), d.Classes[class])
		}
		b.WriteString("\n")
	}
}

// security says who is at the other end, and what nobody looked at.
func (d *Destination) security(b *strings.Builder) {
	if d.Skips != "" {
		fmt.Fprintf(b, "  NOT CHECKED: the server's %s, by configuration: anybody may get what is sent\n", terminal.Safe(d.Skips))
	}
	if d.TLS == nil || d.TLS.Server == nil {
		if d.Expiring != nil {
			fmt.Fprintf(b, "  %s\n", d.Expiring.end())
		}
		return
	}
	fmt.Fprintf(b, "  %s with %s, serial %s", terminal.Safe(d.TLS.Version), terminal.Safe(d.TLS.Server.Subject), terminal.Safe(d.TLS.Server.Serial))
	if d.TLS.Own != nil {
		fmt.Fprintf(b, "; we are %s, serial %s", terminal.Safe(d.TLS.Own.Subject), terminal.Safe(d.TLS.Own.Serial))
	}
	if d.Expiring != nil {
		fmt.Fprintf(b, "; %s", d.Expiring.end())
	}
	if d.TLS.Unchecked == "revocation" {
		b.WriteString("; nobody could say whether a certificate is revoked")
	}
	b.WriteString("\n")
}

func (c *Certificate) end() string {
	return fmt.Sprintf("%s expires %s", terminal.Safe(c.Subject), c.NotAfter.UTC().Format(time.DateOnly))
}

func (e *Entrance) line(b *strings.Builder) {
	link := "not connected"
	switch {
	case !e.Listening:
		link = "NOT LISTENING"
	case e.Connected:
		link = "connected"
	}
	if len(e.Jumps) > 0 {
		link += " via " + terminal.Safe(strings.Join(e.Jumps, " via "))
	}
	fmt.Fprintf(b, "through %s: at %s for %s, %s, open %d of %d, carried %d, refused %d, cut %d, sent %s, received %s\n",
		terminal.Safe(e.Name), terminal.Safe(e.At), terminal.Safe(e.For), link, e.Open, e.Most, e.Carried, e.Refused, e.Cut, bytes(int64(e.Sent)), bytes(int64(e.Received)))
	if e.LastError != "" && e.Connected {
		fmt.Fprintf(b, "  the last to come was turned away: %s\n", terminal.Safe(e.LastError))
	}
}

// missed says what it did not get, or not whole, when there is any.
func (d *Destination) missed() (words string) {
	if d.Missed > 0 {
		words = fmt.Sprintf(", dropped before they were sent %d", d.Missed)
	}
	if cut := d.Pieces["limit"]; cut > 0 {
		words += fmt.Sprintf(", events sent in pieces %d", cut)
	}
	return words
}

func (a *Alarm) line(b *strings.Builder) {
	of := ""
	if a.Object != "" {
		of = " of " + terminal.Safe(a.Object)
	}
	fmt.Fprintf(b, "alarm:   %s%s, %s, since %s (%s)\n", terminal.Safe(a.ID), of, terminal.Safe(a.Title), stamp(a.Since), terminal.Safe(a.Severity))
}

// warningLine leaves out what an alarm says already.
func (s *Status) warningLine(b *strings.Builder, w *warning.Warning) {
	if slices.ContainsFunc(s.Alarms, func(a Alarm) bool { return a.ID == w.Code }) {
		return
	}
	fmt.Fprintf(b, "warning: %s, %s\n", terminal.Safe(w.Code), terminal.Safe(w.String()))
	fmt.Fprintf(b, "         %s\n", terminal.Safe(w.Remedy))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func bytes(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
