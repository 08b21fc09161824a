package diskguard

import (
	"errors"
	"time"

	"auditbridge/auditbridge"
)

// Order is an action that the watch carries out: this process executes nothing. It
// names the level only; what is done at that level the watch reads from the
// configuration itself.
type Order struct {
	Number int64 // rises, from one process to the next, too
	Level  Level
	Action Action
	Since  time.Time
}

// order asks for an action; it stands until Carried.
func (g *Guard) order(action Action, level Level) {
	now := time.Now()
	g.update(func(s *Space) {
		number := now.UnixMicro()
		if n := len(s.Orders); n > 0 {
			number = max(number, s.Orders[n-1].Number+1)
		}
		// What is not carried out when its level begins anew is not done twice.
		var still []Order
		for _, o := range s.Orders {
			if o.Level != level {
				still = append(still, o)
			}
		}
		s.Orders = append(still, Order{number, level, action, now})
	})
}

// Carried says that an order was carried out, or why not; it is on record. One that
// nobody gave is nothing.
func (g *Guard) Carried(number int64, failure string) {
	var done *Order
	g.update(func(s *Space) {
		var still []Order
		for _, o := range s.Orders {
			if o.Number == number {
				done = &o
				continue
			}
			still = append(still, o)
		}
		s.Orders = still
	})
	switch {
	case done == nil:
	case failure != "":
		g.failed(done.Action, done.Level, errors.New(failure))
	default:
		g.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonResume, "space-action-done",
			auditbridge.Text("why", string(done.Level)), auditbridge.Text("action", string(done.Action))))
	}
}
