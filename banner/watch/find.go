package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"auditbridge/internal/status"
)

// Memory is what a finding can only be told by: how it was before. The zero Memory
// knows nothing, so it finds no change.
type Memory struct {
	known    Known
	begun    bool      // known is of an answer of the kernel's, be it to another watch
	refused  uint64    // run's count
	pid      int       // whose that is
	fewer    time.Time // since when there are fewer rules
	orphaned time.Time // since when the owner that the kernel names is dead
	silent   still     // run does not answer
	stuck    still     // its journal's writer does not move
	sign     time.Time // that writer's sign of life
	turned   time.Time // when that was another one last
	happened map[string]event
}

// event is something that is over when it is seen: it holds for a moment, so that
// it is raised.
type event struct {
	at     time.Time
	detail string
}

const (
	eventHolds  = 3 * time.Second
	intended    = 10 * time.Minute       // from when on a smaller number of rules is meant to be
	writerPause = 10 * time.Second       // how long the journal's writer may show no sign of life
	writerTurn  = 300 * time.Millisecond // the same while records wait for it
	busyTime    = 5 * time.Second        // how long what others hold up may seem to stand still
)

// still is since when something seems to stand still; zero while it moves.
type still struct{ since time.Time }

// stands says that it stands still, and has for as long as it is given.
func (s *still) stands(moves bool, given time.Duration, now time.Time) bool {
	if moves {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since = now
	}
	return now.Sub(s.since) >= given
}

// given is how long run may seem to stand still. A processor or a disk that others
// have taken is no failure of auditing.
func (r *Run) given() time.Duration {
	switch {
	case r.Busy:
		return busyTime
	case r.Begins:
		return early
	}
	return 0
}

// Find says what is wrong, and remembers what it needs for the next look.
func (m *Memory) Find(w *Want, f *Facts) (found []Finding) {
	if m.happened == nil {
		m.happened = map[string]event{}
	}
	add := func(code, detail string) { found = append(found, Finding{Code: code, Detail: detail}) }
	if f.Config != "" {
		add("configuration-invalid", f.Config)
	}
	if f.Program != "" {
		add("program-missing", f.Program)
	}
	m.run(f, add)
	m.books(f)
	if w.Local {
		m.kernel(w, f, add)
		m.owner(w, f, add)
		if f.Probe.Overdue && f.Run.Life == Alive && f.Kernel.Enabled != 0 {
			add("probe-lost", "sent "+f.Probe.Sent.UTC().Format(time.RFC3339))
		}
	}
	for code, e := range m.happened {
		if f.At.Sub(e.at) > eventHolds {
			delete(m.happened, code)
			continue
		}
		add(code, e.detail)
	}
	if s := f.Run.Status; s != nil {
		found = append(found, remote(w, s, f)...)
	}
	return found
}

func (m *Memory) run(f *Facts, add func(code, detail string)) {
	r := &f.Run
	silent := m.silent.stands(r.Life != Alive || r.Status != nil, r.given(), f.At)
	switch {
	case r.Failure != "" && r.Life != Alive && r.Life != Stopped:
		add("run-failed", r.Failure)
	case r.Life == Never && !r.Early:
		add("run-absent", r.Unit)
	case r.Life == Gone:
		add("run-gone", fmt.Sprintf("pid %d", r.PID))
	case r.Life == Stopped:
		add("run-stopped", fmt.Sprintf("pid %d", r.PID))
	case silent:
		add("run-silent", fmt.Sprintf("pid %d", r.PID))
	case r.Status != nil:
		m.writer(r, f.At, add)
		recording(r.Status, add)
	}
}

// writer finds that the journal's writer stands still. It goes round in an instant
// while records wait for it, and every few seconds when none does. Its own clock
// tells no more than how long ago that was when it answered: somebody may set it.
func (m *Memory) writer(r *Run, now time.Time, add func(code, detail string)) {
	s := r.Status
	turned := m.pid != s.PID || !s.SignOfLife.Equal(m.sign)
	if turned {
		m.sign, m.turned = s.SignOfLife, now
	}
	moves := s.InRing == 0 || s.Recording != status.RecordingOK || turned && s.Time.Sub(s.SignOfLife) < writerTurn
	if m.stuck.stands(moves, r.given(), now) || now.Sub(m.turned) > writerPause {
		add("run-stuck", fmt.Sprintf("since %s, %d records wait", s.SignOfLife.UTC().Format(time.RFC3339), s.InRing))
	}
}

// recording is what run says of what it records.
func recording(s *status.Status, add func(code, detail string)) {
	switch s.Recording {
	case status.RecordingFull:
		add("disk-full", s.JournalDir)
	case status.RecordingFailed:
		add("disk-error", s.JournalDir)
	case status.RecordingSuspended:
		add("recording-suspended", s.JournalDir)
	}
	left := fmt.Sprintf("%d MiB left for %s", s.Disk.FreeBytes>>20, s.JournalDir)
	switch {
	case s.Disk.Level != "space-left" && s.Disk.Level != "admin-space-left":
	case s.Disk.Banner:
		add("space-banner", left)
	default:
		add(s.Disk.Level, left)
	}
}

// books finds what run refused since the last look.
func (m *Memory) books(f *Facts) {
	s := f.Run.Status
	if s == nil {
		return
	}
	if m.pid == s.PID && s.Refused > m.refused {
		m.happens(f, "records-refused", fmt.Sprintf("%d more", s.Refused-m.refused))
	}
	m.pid, m.refused = s.PID, s.Refused
}

func (m *Memory) happens(f *Facts, code, detail string) { m.happened[code] = event{f.At, detail} }

func (m *Memory) kernel(w *Want, f *Facts, add func(code, detail string)) {
	k := &f.Kernel
	switch {
	case k.Absent:
		add("kernel-absent", "")
		return
	case k.Silent != "":
		add("kernel-silent", k.Silent)
		return
	}
	m.losses(f)
	m.rulesOf(f, add)
	if k.Enabled == 0 && (f.Run.Life == Alive || m.known.Owned) { // else what switched it on is missing, and says so
		add("kernel-off", "enabled 0")
	}
	if k.Rate != 0 {
		add("rate-limited", fmt.Sprintf("%d a second", k.Rate))
	}
	if k.Backlog != 0 && k.Backlog < w.Backlog && f.Run.Life == Alive {
		add("backlog-limited", fmt.Sprintf("%d records, and at least %d are wanted", k.Backlog, w.Backlog))
	}
	if k.Failure == 0 {
		add("failure-ignored", "failure 0")
	}
	if k.Wait == 0 {
		add("wait-forbidden", "backlog_wait_time 0")
	}
	if m.known.Features&^k.Features != 0 {
		add("features-changed", fmt.Sprintf("features were %#x, are %#x", m.known.Features, k.Features))
	}
	m.known.Features |= k.Features
}

func (m *Memory) losses(f *Facts) {
	lost := f.Kernel.Lost
	switch {
	case !m.begun:
	case lost > m.known.Lost:
		m.happens(f, "records-lost", fmt.Sprintf("%d more", lost-m.known.Lost))
	case lost < m.known.Lost:
		m.happens(f, "lost-reset", fmt.Sprintf("it was %d", m.known.Lost))
	}
	m.known.Lost, m.begun = lost, true
}

// rulesOf finds that rules are gone. A smaller number of them counts as meant
// after a while, none at all never does.
func (m *Memory) rulesOf(f *Facts, add func(code, detail string)) {
	n := f.Kernel.Rules
	switch {
	case n < 0:
		return
	case n == 0 && m.known.Rules > 0:
		add("rules-gone", fmt.Sprintf("there were %d", m.known.Rules))
		return
	case n == 0:
		add("no-rules", "")
		return
	case n >= m.known.Rules:
		m.known.Rules, m.fewer = n, time.Time{}
		return
	case m.fewer.IsZero():
		m.fewer = f.At
	case f.At.Sub(m.fewer) > intended:
		m.known.Rules, m.fewer = n, time.Time{}
		return
	}
	add("rules-fewer", fmt.Sprintf("%d, and there were %d", n, m.known.Rules))
}

// owner finds that the kernel's records go to nobody, or to somebody else. The
// kernel names a dead process until it fails to deliver to it; a socket that
// outlived its process is delivered to for ever. So where the named owner is dead
// and run lives, a probe tells whether run has inherited the socket.
func (m *Memory) owner(w *Want, f *Facts, add func(code, detail string)) {
	o, k := f.Kernel.Owner, &f.Kernel
	if k.Absent || k.Silent != "" {
		return
	}
	before := m.known.Owned
	if o.PID != 0 && !o.Dead {
		m.known.Owned, m.orphaned = true, time.Time{}
	} else if m.orphaned.IsZero() {
		m.orphaned = f.At
	}
	switch named := fmt.Sprintf("%s (pid %d)", o.Name, o.PID); {
	case w.Source != "kernel" && m.replaced(&o):
		add("auditd-replaced", fmt.Sprintf("%s runs %s, and it was %s", named, cmp.Or(o.Program, "what cannot be told"), m.known.Holder.Program))
	case w.Source != "kernel" && o.Stopped:
		add("auditd-stopped", named)
	case w.Source != "kernel":
		switch nobody := o.PID == 0 || o.Dead; {
		case nobody && before:
			add("auditd-gone", "")
		case nobody && f.Auditd:
			add("auditd-absent", "")
		}
	case o.PID != 0 && !o.Dead && o.PID != f.Run.PID:
		add("socket-taken", named)
	case f.Run.Life != Alive: // that says it all
	case o.PID == 0:
		add("socket-free", "pid 0")
	case o.Dead && !m.inherited(f):
		add("socket-free", fmt.Sprintf("pid %d is dead", o.PID))
	}
}

// replaced says that who has the kernel's audit, beside us, is neither who had it
// before nor an auditd: whoever ends auditd and takes its place within one look gives
// the kernel no moment without an owner. Who may have it is known from then on.
func (m *Memory) replaced(o *Owner) bool {
	had := &m.known.Holder
	was := strings.TrimSuffix(had.Program, replacedFile)
	same := o.PID == had.PID && o.Started == had.Started
	switch {
	case o.PID == 0 || o.Dead:
		return false
	case same && (o.Program == "" || strings.TrimSuffix(o.Program, replacedFile) == was): // an upgrade replaces its file
		return false
	case was != "" && o.Program != was && !slices.Contains(auditds, o.Program):
		return true
	case o.Program != "":
		*had = Holder{o.PID, o.Started, o.Program}
	}
	return false
}

// auditds are where distributions have it.
var auditds = []string{"/usr/sbin/auditd", "/sbin/auditd", "/usr/bin/auditd"}

// Orphaned says since when the owner that the kernel names is dead or nobody; zero
// when it lives. A probe sent after that tells who has its socket.
func (m *Memory) Orphaned() time.Time { return m.orphaned }

// inherited says that run hears what the kernel sends to a dead owner: a probe
// arrived that was sent since, or may yet.
func (m *Memory) inherited(f *Facts) bool {
	p := &f.Probe
	return p.Sent.Before(m.orphaned) || p.Arrived || !p.Overdue
}

// remote finds what is wrong with the way to the servers.
func remote(w *Want, s *status.Status, f *Facts) (found []Finding) {
	for _, d := range s.Destinations {
		if !d.Connected {
			found = append(found, Finding{"link-down", d.Name, strings.TrimSpace(fmt.Sprintf("%d records wait; %s", d.Pending, d.LastError))})
		}
	}
	for _, l := range f.Late {
		if w.MaxLag > 0 && f.At.Sub(l.Oldest) > w.MaxLag {
			found = append(found, Finding{"link-late", l.Destination, "the oldest is of " + l.Oldest.UTC().Format(time.RFC3339)})
		}
	}
	return found
}
