package watch

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"auditbridge/internal/alarm"
	"auditbridge/internal/status"
	"auditbridge/internal/terminal"
)

const (
	columns    = 78
	mostInFull = 3 // findings told with all there is to say; the others by their codes
)

// Impaired is what operators read while auditing does not work as it must: what is
// wrong, since when, what the host does next, how to confirm it. It is pure; foreign
// text in it is harmless.
func (v *Verdict) Impaired(node string, repeat time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*** AUDIT LOGGING IS IMPAIRED on %s since %s ***\n", terminal.Safe(node), stamp(v.Since))
	var others []string
	for i, r := range v.Raised {
		if i >= mostInFull || r.State() != status.Impaired && i > 0 {
			others = append(others, r.name())
			continue
		}
		kind := Lookup(r.Code)
		what := kind.Title
		if r.Object != "" {
			what += ": " + r.Object
		}
		if r.Detail != "" {
			what += ": " + r.Detail
		}
		paragraph(&b, "  - ", fmt.Sprintf("%s. [%s, since %s]", terminal.Safe(cut(what)), r.Code, r.Since.UTC().Format("15:04:05")))
		paragraph(&b, "    ", kind.Description)
		paragraph(&b, "    To confirm: ", kind.Remedy)
	}
	if len(others) > 0 {
		paragraph(&b, "  also: ", strings.Join(others, ", "))
	}
	paragraph(&b, "", fmt.Sprintf("All of it: auditbridge status. The codes in brackets are explained in /usr/share/doc/auditbridge/operations.md. This is repeated every %s until it is mended.", every(repeat)))
	return b.String()
}

// Restored is what operators read when it is over: since when it was impaired, and
// all that made it so meanwhile.
func (v *Verdict) Restored(node string, since time.Time, causes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*** AUDIT LOGGING WORKS AGAIN on %s since %s ***\n", terminal.Safe(node), stamp(v.Since))
	lasted := v.Since.Sub(since).Round(time.Second)
	paragraph(&b, "    ", fmt.Sprintf("It was impaired for %s: %s.", lasted, strings.Join(causes, ", ")))
	if rest := v.Codes(); len(rest) > 0 {
		paragraph(&b, "    ", "Still to be looked after: "+strings.Join(rest, ", ")+". See auditbridge status.")
	}
	return b.String()
}

// Unwatched is what operators read while the watch is missing, and why it is: its
// alarm's words.
func Unwatched(node, why string, since time.Time, repeat time.Duration) string {
	var b strings.Builder
	kind := alarm.Lookup("watch-gone")
	fmt.Fprintf(&b, "*** AUDIT LOGGING IS NOT WATCHED on %s since %s ***\n", terminal.Safe(node), stamp(since))
	paragraph(&b, "  - ", fmt.Sprintf("%s: %s. [%s]", kind.Title, why, kind.ID))
	paragraph(&b, "    ", kind.Description)
	paragraph(&b, "    To confirm: ", "systemctl status auditbridge-watch; systemctl start auditbridge-watch.")
	paragraph(&b, "", fmt.Sprintf("Records are kept: auditbridge status. This is repeated every %s until it is mended.", every(repeat)))
	return b.String()
}

// WatchedAgain is what they read when it is back.
func WatchedAgain(node string) string {
	return fmt.Sprintf("*** AUDIT LOGGING IS WATCHED AGAIN on %s ***\n", terminal.Safe(node))
}

// Codes names what is raised, each of several with what it is about. Foreign text
// in it is harmless.
func (v *Verdict) Codes() []string {
	all := []string{}
	for _, r := range v.Raised {
		all = append(all, r.name())
	}
	return all
}

func (r *Raised) name() string {
	if r.Object == "" {
		return r.Code
	}
	return r.Code + " of " + terminal.Safe(r.Object)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func every(d time.Duration) string {
	if d == time.Minute {
		return "minute"
	}
	return d.String()
}

// cut bounds what is repeated of foreign text.
func cut(text string) string {
	const most = 600
	if len(text) <= most {
		return text
	}
	for n := most; ; n-- {
		if utf8.RuneStart(text[n]) {
			return text[:n] + "..."
		}
	}
}

// paragraph breaks text into lines, the first after lead and the others as far in.
func paragraph(b *strings.Builder, lead, text string) {
	b.WriteString(lead)
	at := len(lead)
	for i, word := range strings.Fields(text) {
		switch n := utf8.RuneCountInString(word); {
		case i == 0:
			at += n
		case at+1+n > columns:
			in := min(len(lead), 4)
			b.WriteString("\n" + strings.Repeat(" ", in))
			at = in + n
		default:
			b.WriteString(" ")
			at += 1 + n
		}
		b.WriteString(word)
	}
	b.WriteString("\n")
}
