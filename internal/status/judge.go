package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"auditbridge/internal/warning"
)

// silence is how long the journal's writer may show no sign of life.
const silence = 10 * time.Second

// Judge fills in the judgement. before is the judged status of a moment ago, nil
// when there is none: what grew since then is going on now. Judge is pure: the
// same facts give the same words.
func Judge(s, before *Status, now time.Time) {
	s.Balanced = imbalance(s, before, now) == ""
	s.Causes = []Cause{}
	if s.Destinations == nil {
		s.Destinations = []Destination{} // lists are never null for those who read the JSON
	}
	if s.Entrances == nil {
		s.Entrances = []Entrance{}
	}
	if s.Alarms == nil {
		s.Alarms = []Alarm{}
	}
	if s.Warnings == nil {
		s.Warnings = []warning.Warning{}
	}
	for _, find := range findings {
		s.Causes = append(s.Causes, find(s, before, now)...)
	}
	s.Causes = append(s.Causes, watch(s)...)
	slices.SortStableFunc(s.Causes, func(a, b Cause) int { return weight[b.State] - weight[a.State] })
	s.State, s.Losing = OK, LosingNo
	for _, c := range s.Causes {
		if weight[c.State] > weight[s.State] {
			s.State = c.State
		}
		if s.Losing != LosingYes && c.losing != "" {
			s.Losing = c.losing
		}
	}
	switch {
	case before != nil && before.State == s.State:
		s.Since = before.Since
	case !s.Running && !s.SignOfLife.IsZero():
		s.Since = s.SignOfLife
	default:
		s.Since = now
	}
}

var weight = map[State]int{OK: 0, Degraded: 1, Impaired: 2}

// imbalance holds every book to its sum and says which does not keep to it. A relay
// that does not say what it read has no book.
func imbalance(s, before *Status, now time.Time) string {
	if s.Received != s.Stored+s.InRing+s.Refused {
		return fmt.Sprintf("received %d, stored %d + in the ring %d + refused %d", s.Received, s.Stored, s.InRing, s.Refused)
	}
	if (s.InRing == 0) != (s.InRingBytes == 0) && stands(s, before, now) {
		return fmt.Sprintf("%d records are said to be in the ring, which holds %d bytes", s.InRing, s.InRingBytes)
	}
	if s.KernelLost > s.KernelLostAtMost {
		return fmt.Sprintf("lost at least %d, at most %d", s.KernelLost, s.KernelLostAtMost)
	}
	for _, d := range s.Destinations {
		if d.Read > 0 && d.Read != d.Delivered+d.Excluded+d.Pending {
			return fmt.Sprintf("%s read %d, delivered %d + excluded %d + pending %d", d.Name, d.Read, d.Delivered, d.Excluded, d.Pending)
		}
	}
	return ""
}

// stands says that nothing went through the ring since the look before. Its records
// are counted at its two ends, its bytes are what lies between, and neither is read
// at the same moment: whoever works on it would look like one who loses records.
func stands(s, before *Status, now time.Time) bool {
	return before != nil && s.Answering && before.PID == s.PID &&
		before.Received == s.Received && before.Stored == s.Stored && before.Refused == s.Refused && before.InRingBytes == s.InRingBytes &&
		(!before.Balanced || now.Sub(before.Time) > time.Second)
}

// findings look at one thing each. Their order is that of causes of one weight.
var findings = []func(s, before *Status, now time.Time) []Cause{
	life, recording, deaf, kernel, losses, away, books, damage, sender, destinations, entrances, disk, clock, deputy, confinement, alarms,
}

func life(s, _ *Status, now time.Time) []Cause {
	switch {
	case !s.Running:
		return []Cause{absence(s)}
	case !s.Answering:
		return []Cause{{Impaired, fmt.Sprintf("auditbridge run (pid %d) does not answer", s.PID), "the figures below are the last ones known", "systemctl status auditbridge", LosingUnknown}}
	case !s.SignOfLife.IsZero() && now.Sub(s.SignOfLife) > silence:
		return []Cause{{Impaired, "the journal's writer has shown no sign of life since " + stamp(s.SignOfLife), "records wait in the ring; once it is full they are lost", "systemctl status auditbridge", LosingUnknown}}
	}
	return nil
}

// absence says that run is not running, and who records instead.
func absence(s *Status) Cause {
	c := Cause{Impaired, "auditbridge run is not running", "", "systemctl start auditbridge", LosingUnknown}
	if !s.SignOfLife.IsZero() {
		c.What += "; its last sign of life was " + stamp(s.SignOfLife)
	}
	switch {
	case s.KernelPID != 0:
		c.What += "; kernel audit is owned by " + owner(s)
		c.Next = "that process gets the records, the journal does not"
		c.Command = fmt.Sprintf("ps -fp %d", s.KernelPID)
	case s.Source == "plugin", strings.HasPrefix(s.Source, "unix:"):
		c.Next = "what auditd hears is neither kept in the journal nor sent"
		c.Command = "systemctl status auditd"
	case !s.KernelSilentSince.IsZero():
		c.Next = "whether somebody else records what the kernel audits is not known: ask again as root"
	default:
		c.Next = "nobody records what the kernel audits: it keeps what its backlog takes and drops the rest"
		c.losing = LosingYes
	}
	return c
}

func owner(s *Status) string {
	if s.KernelOwner != "" {
		return fmt.Sprintf("%s (pid %d)", s.KernelOwner, s.KernelPID)
	}
	return fmt.Sprintf("process %d", s.KernelPID)
}

func recording(s, _ *Status, _ time.Time) []Cause {
	if !s.Running {
		return nil
	}
	refused := fmt.Sprintf("what arrives is counted and lost, %d records so far", s.Refused)
	switch s.Recording {
	case RecordingFull:
		what, look := fullBecause(&s.Disk)
		return []Cause{{Impaired, "the journal's disk is full" + what, refused + "; recording resumes by itself when there is room", look + s.JournalDir, LosingYes}}
	case RecordingSuspended:
		return []Cause{{Impaired, "recording is suspended", refused, "auditbridge resume", LosingYes}}
	case RecordingFailed:
		what, look := failedBecause(s)
		return []Cause{{Impaired, "the journal's disk does not work" + what, refused, look, LosingYes}}
	}
	return nil
}

// fullBecause says of a full disk what it has run out of, and with what to look.
func fullBecause(d *Disk) (what, look string) {
	switch d.Cause {
	case "no-inodes":
		return ": there is no inode left for another file", "df -i "
	case "quota":
		return ": its quota is used up", "quota -v; df -h "
	}
	return "", "df -h "
}

// failedBecause says the same of a disk that fails.
func failedBecause(s *Status) (what, look string) {
	switch s.Disk.Cause {
	case "read-only":
		return ": it is mounted read-only", "findmnt -T " + s.JournalDir
	case "io-error":
		return ": it answers with input/output errors", "journalctl -k -p err"
	}
	return "", "journalctl -u auditbridge"
}

// deaf says that the source has nothing to read from. A file keeps what is
// written to it; a socket does not.
func deaf(s, _ *Status, _ time.Time) []Cause {
	if !s.Running || s.DeafBecause == "" {
		return nil
	}
	c := Cause{Impaired, "nothing is heard since " + stamp(s.DeafSince) + ": " + s.DeafBecause,
		"tried again every second; what auditd writes meanwhile is not kept for us", "systemctl status auditd", LosingUnknown}
	if strings.HasPrefix(s.Source, "file:") {
		c.Next, c.Command, c.losing = "tried again every second; nothing is lost that stands in a log by then", "ls -l "+strings.TrimPrefix(s.Source, "file:")+"*", ""
	}
	return []Cause{c}
}

func kernel(s, _ *Status, _ time.Time) []Cause {
	if !s.Running {
		return nil
	}
	var all []Cause
	switch {
	case s.Multicast != nil: // who owns it, if anybody, is well
	case s.KernelPID != 0:
		all = append(all, Cause{Impaired, owner(s) + " holds the kernel's audit socket", "the kernel sends it the records, not us", fmt.Sprintf("ps -fp %d", s.KernelPID), LosingYes})
	case s.Kernel != nil && !s.Ours:
		all = append(all, Cause{Impaired, "nobody holds the kernel's audit socket", "the kernel sends us nothing until run takes it again", "systemctl restart auditbridge", LosingYes})
	}
	if s.Kernel != nil && s.Enabled == 0 {
		next := "the kernel audits nothing until it is switched on again"
		if s.Multicast != nil {
			next += ", which source multicast leaves to others"
		}
		all = append(all, Cause{Impaired, "kernel audit is switched off", next, "auditctl -e 1", LosingYes})
	}
	if s.RulesDrift > 0 {
		all = append(all, Cause{Impaired, "the kernel's audit rules are not those that were loaded", "what they were for is not audited until they are put back; who changed them is on record", "auditbridge rules diff", ""})
	}
	if s.Multicast != nil && s.Barred != "" {
		all = append(all, Cause{Degraded, "whether kernel audit is on, and what it lost, is not known: " + s.Barred, "records are heard all the same", fmt.Sprintf("getpcaps %d", s.PID), LosingUnknown})
	}
	if !s.KernelSilentSince.IsZero() {
		all = append(all, Cause{Degraded, "kernel losses unknown since " + stamp(s.KernelSilentSince), "the kernel does not answer; it is asked again every second", "journalctl -u auditbridge", LosingUnknown})
	}
	return all
}

func losses(s, before *Status, _ time.Time) []Cause {
	var all []Cause
	grew := before != nil && before.PID == s.PID
	if least, most := s.lostWhileHere(); least > 0 || most > 0 {
		c := Cause{Degraded, "the kernel lost " + span(least, most) + " before we could hear of them", "each loss is a gap on record; a longer queue of the kernel's takes larger bursts", "auditctl -s", ""}
		if s.Multicast != nil {
			c.What = "we did not hear " + span(least, most)
			c.Next = "each loss is a gap on record; the kernel waits for no listener, only for the owner of its audit"
		}
		if s.Source == "plugin" || strings.HasPrefix(s.Source, "unix:") {
			c.What = "auditd did not hand over " + span(least, most)
			c.Next = "each loss is a gap on record, and auditd's own log has what it heard; a larger q_depth in auditd.conf takes larger bursts"
		}
		if grew {
			leastBefore, mostBefore := before.lostWhileHere()
			switch {
			case least > leastBefore:
				c.State, c.losing = Impaired, LosingYes
			case most > mostBefore:
				c.State, c.losing = Impaired, LosingUnknown
			}
		}
		all = append(all, c)
	}
	if s.Refused > 0 && s.Recording == RecordingOK {
		c := Cause{Degraded, fmt.Sprintf("%d records were refused since run started", s.Refused), "each refusal is a gap on record", "journalctl -u auditbridge", ""}
		if grew && s.Refused > before.Refused {
			c.State, c.losing = Impaired, LosingYes
		}
		all = append(all, c)
	}
	return all
}

// lostWhileHere is the range of what was lost, less what passed while nobody heard: that is
// over.
func (s *Status) lostWhileHere() (least, most uint64) {
	if s.Away == nil {
		return s.KernelLost, s.KernelLostAtMost
	}
	return s.KernelLost - min(s.KernelLost, s.Away.Missing), s.KernelLostAtMost - min(s.KernelLostAtMost, s.Away.Missing)
}

// away stands as long as its alarm, which is raised when it becomes known.
func away(s, _ *Status, _ time.Time) []Cause {
	if s.Away == nil || !s.Answering || !slices.ContainsFunc(s.Alarms, func(a Alarm) bool { return a.ID == "records-lost" }) {
		return nil
	}
	return []Cause{{Degraded, "run was " + s.Away.words(), "what passed is a gap on record; `auditbridge restart` replaces run without one", "journalctl -u auditbridge", ""}}
}

// words say from when to when nobody heard, and what passed.
func (a *Away) words() string {
	how := "stopped"
	if a.After != "stop" {
		how = "dead"
	}
	return fmt.Sprintf("%s from %s to %s: %d events passed unheard, serials %d to %d", how, stamp(a.Since), stamp(a.Until), a.Missing, a.First, a.Last)
}

func span(least, most uint64) string {
	if most <= least {
		return fmt.Sprintf("%d records", least)
	}
	return fmt.Sprintf("%d to %d records", least, most)
}

func books(s, before *Status, now time.Time) []Cause {
	if s.Balanced || !s.Answering {
		return nil
	}
	return []Cause{{Degraded, "the books do not balance: " + imbalance(s, before, now),
		"records may be missing without being counted", "auditbridge verify", LosingUnknown}}
}

// damage stands until the next start: by then somebody should have looked.
func damage(s, _ *Status, _ time.Time) []Cause {
	if s.Damaged == 0 || !s.Answering {
		return nil
	}
	return []Cause{{Degraded, fmt.Sprintf("the start of run found the journal damaged, in places: %d", s.Damaged),
		"what was damaged stays, with a copy in quarantine, and is on record (op=damage); recording goes on", "auditbridge verify", ""}}
}

func sender(s, _ *Status, _ time.Time) []Cause {
	if s.Ship || len(s.Destinations) == 0 || !s.Answering {
		return nil
	}
	return []Cause{{Degraded, "the sender, auditbridge ship, is not running", "records stay in the journal; run starts it again", "journalctl -u auditbridge", ""}}
}

func destinations(s, _ *Status, _ time.Time) []Cause {
	if !s.Ship || !s.Answering {
		return nil
	}
	var all []Cause
	for _, d := range s.Destinations {
		if d.Connected {
			continue
		}
		what := d.Name + " is not connected"
		if !d.Since.IsZero() {
			what += " since " + stamp(d.Since)
		}
		if d.LastError != "" {
			what += ": " + d.LastError
		}
		all = append(all, Cause{Degraded, what, fmt.Sprintf("%d records wait in the journal; sending is tried again", d.Pending), cmp.Or(d.Hint, "ss -tn"), ""})
	}
	return all
}

func entrances(s, _ *Status, _ time.Time) []Cause {
	var all []Cause
	for _, e := range s.Entrances {
		if !s.Answering || e.works() {
			continue
		}
		what := "other programs cannot send through " + e.Name
		if !e.Listening {
			what += ", nobody listens at " + e.At
		}
		if e.LastError != "" {
			what += ": " + e.LastError
		}
		all = append(all, Cause{Degraded, what, "who comes is turned away at once; it is tried again", cmp.Or(e.Hint, "journalctl -u auditbridge"), ""})
	}
	return all
}

func disk(s, _ *Status, now time.Time) []Cause {
	return slices.Concat(room(s), flood(s), orders(s, now))
}

func flood(s *Status) []Cause {
	if s.Disk.Flood == "" {
		return nil
	}
	return []Cause{{Degraded, "records come so fast that all room lasts less than an hour, most of them by " + s.Disk.Flood,
		"they are recorded; the oldest segments go early", "auditctl -l", ""}}
}

// orderWait is how long the watch may take to carry an order out.
const orderWait = time.Minute

func orders(s *Status, now time.Time) []Cause {
	if len(s.Disk.Orders) == 0 || now.Sub(s.Disk.Orders[0].Since) < orderWait {
		return nil
	}
	o := s.Disk.Orders[0]
	return []Cause{{Degraded, fmt.Sprintf("what is to be done at %s, %s, has not been done since %s", o.Level, o.Action, stamp(o.Since)),
		"it is auditbridge watch that does it, as soon as it runs", "systemctl status auditbridge-watch", ""}}
}

func room(s *Status) []Cause {
	if s.Disk.Level == "" || s.Disk.Level == "ok" || s.Recording != RecordingOK {
		return nil
	}
	return []Cause{{Degraded, fmt.Sprintf("the journal has %s left of max-size (%s)", bytes(s.Disk.FreeBytes), s.Disk.Level),
		"at max-size the oldest segments go before their retention is over: raise max-size or shorten retention", "auditbridge check -v", ""}}
}

func clock(s, _ *Status, _ time.Time) []Cause {
	if !s.ClockHeld {
		return nil
	}
	return []Cause{{Degraded, "the clock is more than an hour ahead of when it was last seen, before a reboot, and not synchronised",
		"no segment is dropped for its age until it is synchronised or you say that it is right", "auditbridge confirm-clock", ""}}
}

func deputy(s, _ *Status, _ time.Time) []Cause {
	if !s.DeputyLost {
		return nil
	}
	return []Cause{{Degraded, "run's deputy has died", "recording and sending go on; a sender that ends is not started again, and run cannot halt the host",
		"systemctl restart auditbridge", ""}}
}

func confinement(s, _ *Status, _ time.Time) []Cause {
	if s.Unconfined == "" {
		return nil
	}
	return []Cause{{Degraded, "run is not confined: " + s.Unconfined, "recording goes on; whoever took run over could do whatever root can; ship does not send without seccomp",
		"use a kernel with CONFIG_SECCOMP_FILTER", ""}}
}

// watch is what the watch finds that nothing else has said: it may see what run
// does not, and run may be what it sees. What both see is said once.
func watch(s *Status) []Cause {
	if s.Watch == nil {
		return nil
	}
	if s.Watch.Missing != "" {
		who := "auditbridge watch"
		if s.Watch.PID != 0 {
			who += fmt.Sprintf(" (pid %d)", s.Watch.PID)
		}
		return []Cause{{Degraded, who + " is missing: " + s.Watch.Missing,
			"operators are not told when auditing fails", "systemctl status auditbridge-watch", ""}}
	}
	worst := OK
	for _, c := range s.Causes {
		if weight[c.State] > weight[worst] {
			worst = c.State
		}
	}
	var all []Cause
	for _, f := range s.Watch.Findings {
		if weight[f.State] <= weight[worst] {
			continue
		}
		what := "the watch finds: " + f.Title
		for _, more := range []string{f.Object, f.Detail} {
			if more != "" {
				what += ": " + more
			}
		}
		all = append(all, Cause{f.State, what, f.Description, f.Remedy, ""})
	}
	return all
}

// alarms are about what the causes above say in more words; those that outlive
// their cause, for they tell of a loss that is over, have their own.
func alarms(s, _ *Status, _ time.Time) []Cause {
	var all []Cause
	for _, a := range s.Alarms {
		if a.ID != "undelivered-dropped" && a.ID != "no-rules" {
			continue
		}
		what := a.Title
		if a.Object != "" {
			what = a.Object + ": " + what
		}
		all = append(all, Cause{Degraded, what, a.Description, a.Remedy, ""})
	}
	return all
}
