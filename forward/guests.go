package forward

import (
	"errors"
	"fmt"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/entrance"
)

// What run makes of what ship reports of an entrance. Nothing is done by it but to put
// it on record, within bounds, and to show it: other programs can bring it about as often
// as they like.

// visit is a time with guests: it begins with one who comes when nobody is there, and is
// over when nobody has been there from one report to the next.
type visit struct {
	on    bool
	began entrance.Stats // the counts before it
}

// follow says whether a visit has begun or is over with now, the report after before.
func (v *visit) follow(before, now entrance.Stats) (began, over bool) {
	switch came := now.Carried > before.Carried; {
	case !v.on && came:
		v.on, v.began = true, before
		return true, false
	case v.on && !came && now.Open == 0:
		v.on = false
		return false, true
	}
	return false, false
}

// follow takes over a report, if it can be.
func (d *door) follow(r report) error {
	switch {
	case r.Warning != "":
		noteWithin(&d.links, d.aboutLink("link-warning", auditbridge.Text("reason", short(r.Warning))), d.keeper.cfg.Note)
		return nil
	case r.Entrance == nil:
		return errors.New("it says nothing of its entrance")
	}
	d.keeper.mu.Lock()
	before, now := d.told, r.Entrance.Stats
	err := d.check(before, now)
	if err == nil {
		now.LastError, now.Hint, now.Peer = short(now.LastError), shortHint(now.Hint), short(now.Peer)
		d.told = now
	}
	d.keeper.mu.Unlock()
	if err != nil {
		return err
	}
	if now.Connected != before.Connected {
		d.noteLink(now, false)
	}
	for _, refused := range r.Entrance.Refusals {
		d.noteRefusal(refused)
	}
	d.noteVisit(before, now, "")
	return nil
}

// check holds a report to what can have been.
func (d *door) check(before, now entrance.Stats) error {
	if now.Open < 0 || now.Open > d.Most {
		return fmt.Errorf("%d guests where %d may be", now.Open, d.Most)
	}
	for _, n := range [...]struct{ before, now uint64 }{
		{before.Carried, now.Carried}, {before.Refused, now.Refused}, {before.Cut, now.Cut}, {before.Sent, now.Sent}, {before.Received, now.Received},
	} {
		if n.now < n.before {
			return errors.New("its counts go back")
		}
	}
	return nil
}

// lost says that there is no ship, and so no guest.
func (d *door) lost(why string, meant bool) {
	d.keeper.mu.Lock()
	before := d.told
	d.past = d.stats().Stats
	d.told = entrance.Stats{LastError: why, Since: before.Since}
	if before.Connected {
		d.told.Since = time.Now()
	}
	now := d.told
	d.keeper.mu.Unlock()
	if before.Connected {
		now.Peer = before.Peer
		d.noteLink(now, meant)
	}
	after := before
	after.Open = 0
	d.noteVisit(before, after, why)
}

func (d *door) aboutLink(op string, fields ...auditbridge.Field) auditbridge.Note {
	return auditbridge.OwnNote(auditbridge.TypeDaemonErr, op, append([]auditbridge.Field{auditbridge.Text("entrance", short(d.Name()))}, fields...)...)
}

func (d *door) noteLink(s entrance.Stats, meant bool) {
	noteWithin(&d.links, linkChanged("entrance", d.Name(), wireLink{Up: s.Connected, Peer: s.Peer, Why: s.LastError, Meant: meant}), d.keeper.cfg.Note)
}

// noteRefusal puts guests on record that were turned away for one reason. What is
// withheld is counted in the next that is not.
func (d *door) noteRefusal(r entrance.Refusal) {
	if _, ok := d.refusals.Take(time.Now()); !ok {
		d.withheld += r.Count
		return
	}
	n := d.note(auditbridge.TypeDaemonErr, "guest-refused", auditbridge.Number("n", r.Count))
	n.Fields = append(n.Fields, who(r.Who)...)
	n.Fields = append(n.Fields, auditbridge.Text("reason", short(r.Why)))
	if d.withheld > 0 {
		n.Fields = append(n.Fields, auditbridge.Number("unrecorded", d.withheld))
		d.withheld = 0
	}
	n.Failed = true
	d.keeper.cfg.Note(n)
}

// noteVisit puts the beginning and the end of a visit on record.
func (d *door) noteVisit(before, now entrance.Stats, why string) {
	switch began, over := d.visit.follow(before, now); {
	case began:
		noteWithin(&d.visits, d.note(auditbridge.TypeDaemonResume, "guests-came", who(now.First)...), d.keeper.cfg.Note)
	case over:
		v := &d.visit.began
		n := d.note(auditbridge.TypeDaemonResume, "guests-gone", auditbridge.Number("n", now.Carried-v.Carried), auditbridge.Number("cut", now.Cut-v.Cut),
			auditbridge.Number("sent", now.Sent-v.Sent), auditbridge.Number("received", now.Received-v.Received))
		if why != "" {
			n.Fields = append(n.Fields, auditbridge.Text("reason", short(why)))
		}
		noteWithin(&d.visits, n, d.keeper.cfg.Note)
	}
}

// who names a guest as far as the kernel did, to ship.
func who(w *entrance.Who) []auditbridge.Field {
	if w == nil {
		return nil
	}
	return []auditbridge.Field{auditbridge.Number("guest-uid", w.UID), auditbridge.Number("guest-pid", int(w.PID))}
}
