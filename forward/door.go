package forward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/entrance"
	"auditbridge/internal/allowance"
)

// door is one entrance as run sees it: its socket, and the ship at it.
type door struct {
	entrance.Config
	keeper *Doorkeeper
	end    context.CancelFunc // of work; nil until it begins
	over   chan struct{}      // closed when it has ended

	// work's goroutine's
	socket                            Socket
	trouble                           string // why it could not be taken, as it is on record
	visit                             visit
	withheld                          uint64 // guests that were refused and are not on record
	links, visits, refusals, nonsense allowance.Allowance

	// keeper.mu's
	listening bool
	told      entrance.Stats // by the ship at work
	past      entrance.Stats // the counts of those before it
}

// leaving is how long a ship may take to end.
const leaving = 2 * time.Second

// work keeps the entrance open until ctx ends. Whatever fails is tried again with
// back-off and never takes run with it.
func (d *door) work(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		since := time.Now()
		err := d.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(since) > time.Minute {
			failures = 0
		}
		d.lost("nobody is at the entrance: "+short(err.Error()), false)
		sleep(ctx, backoff(failures, rand.Float64()))
	}
	d.lost("the entrance is closed", true)
	d.shut()
}

// stop ends work, and wait returns when the socket is given back.
func (d *door) stop() {
	if d.end != nil {
		d.end()
	}
}

func (d *door) wait() {
	if d.over != nil {
		<-d.over
	}
}

// once runs one ship process to its end, which is an error. It ends, too, when who comes
// does not find the socket any more; the next takes another.
func (d *door) once(ctx context.Context) error {
	if err := d.take(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	go endUnfound(ctx, d.socket, end)
	file, err := d.socket.File()
	if err != nil {
		return fmt.Errorf("hand the socket over: %w", err)
	}
	ship, err := d.keeper.cfg.Start(file)
	file.Close()
	if err != nil {
		return err
	}
	err = d.converse(ctx, ship)
	if ended := dismiss(ship); err == nil && ended != nil {
		err = ended
	}
	if unfound := d.socket.Found(); unfound != nil {
		d.shut()
		err = unfound
	}
	if err == nil {
		err = errors.New("the ship process has ended")
	}
	return err
}

// endUnfound calls end when socket is not found any more.
func endUnfound(ctx context.Context, socket Socket, end func()) {
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for socket.Found() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	end()
}

// take takes the socket unless we have it. That it cannot be had is on record once for
// each reason.
func (d *door) take() (err error) {
	if d.socket != nil {
		return nil
	}
	if d.socket, err = d.keeper.cfg.Listen(d.Config); err != nil {
		d.socket = nil
		if d.trouble != err.Error() {
			d.trouble = err.Error()
			n := d.note(auditbridge.TypeDaemonErr, "entrance-open", auditbridge.Text("reason", short(err.Error())))
			n.Failed = true
			d.keeper.cfg.Note(n)
		}
		return err
	}
	d.trouble = ""
	d.listens(true)
	d.keeper.cfg.Note(d.note(auditbridge.TypeDaemonResume, "entrance-open"))
	return nil
}

// shut gives it back.
func (d *door) shut() {
	if d.socket == nil {
		return
	}
	if err := d.socket.Close(); err != nil {
		d.keeper.cfg.Log.Warn("the socket of an entrance was not given back in order", "forwarding", d.Name(), "err", err)
	}
	d.socket = nil
	d.listens(false)
	d.keeper.cfg.Note(d.note(auditbridge.TypeDaemonResume, "entrance-closed"))
}

func (d *door) listens(does bool) {
	d.keeper.mu.Lock()
	defer d.keeper.mu.Unlock()
	d.listening = does
}

// converse tells ship what to do and listens to it until it ends.
func (d *door) converse(ctx context.Context, ship Process) error {
	out := &lineWriter{w: ship}
	say := func(v any) error {
		ship.SetWriteDeadline(time.Now().Add(silence))
		return out.write(v)
	}
	if err := say(hello{Version: wireVersion, Entrance: &d.Config, Socket: d.keeper.cfg.Socket}); err != nil {
		return fmt.Errorf("tell ship what to do: %w", err)
	}
	defer stopAt(ctx, ship, say, leaving)()
	return hear(ship, d.follow, d.refuse)
}

// note is a record about the entrance.
func (d *door) note(t auditbridge.RecordType, op string, more ...auditbridge.Field) auditbridge.Note {
	fields := []auditbridge.Field{auditbridge.Text("entrance", short(d.Name())), auditbridge.Text("at", d.Place())}
	return auditbridge.OwnNote(t, op, append(fields, more...)...)
}

// refuse puts a report on record that is not believed.
func (d *door) refuse(_ report, err error) {
	n := d.note(auditbridge.TypeDaemonErr, "ship-refused", auditbridge.Text("reason", short(err.Error())))
	n.Failed = true
	noteWithin(&d.nonsense, n, d.keeper.cfg.Note)
}

// stats is what is known; keeper.mu is held.
func (d *door) stats() EntranceStats {
	s := EntranceStats{Listening: d.listening, Stats: d.told}
	s.Carried += d.past.Carried
	s.Refused += d.past.Refused
	s.Cut += d.past.Cut
	s.Sent += d.past.Sent
	s.Received += d.past.Received
	return s
}
