package watch

import (
	"context"
	"fmt"
	"time"

	"auditbridge/banner"
	"auditbridge/internal/status"
	"auditbridge/internal/terminal"
)

// DiskAction is what is done here when the journal's disk reaches a level. Run
// orders it by the level's name alone: what that means is read from the
// configuration, so whoever has taken run over can have nothing else started.
type DiskAction struct {
	Program string // that is run; "" for none
	Mail    string // address that gets a mail; "" for none
}

// DiskEvent is what a program of a disk level gets on its standard input.
type DiskEvent struct {
	Event string      `json:"event"` // disk
	Node  string      `json:"node"`
	At    time.Time   `json:"at"`
	Level string      `json:"level"`
	Disk  status.Disk `json:"disk"`
	Text  string      `json:"text"`
}

// obey begins what run has ordered since the last look. That it was begun is
// remembered first: if we die meanwhile, it is not done twice.
func (h *herald) obey(now time.Time, disk *status.Disk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range disk.Orders {
		if o.Number <= h.told.Order {
			continue
		}
		h.told.Order = o.Number
		h.keep()
		text := diskText(h.settings.Node, o.Level, disk)
		j := job{settings: h.settings, order: &o, subject: fmt.Sprintf("%s on %s: audit records", o.Level, terminal.Safe(h.settings.Node)), text: text}
		j.disk = DiskEvent{"disk", h.settings.Node, now, o.Level, *disk, text}
		select {
		case h.work <- j:
		default:
			h.carried(&o, fmt.Errorf("programs before it have not ended"))
		}
	}
}

// diskText says what has happened, and what to do.
func diskText(node, level string, disk *status.Disk) string {
	text := fmt.Sprintf("The room for audit records on %s has reached %s: %d MiB are used, %d MiB are left.\n", terminal.Safe(node), level, disk.UsedBytes>>20, disk.FreeBytes>>20)
	if disk.FullIn > 0 {
		text += fmt.Sprintf("At the rate of the last minute nothing is left in %s.\n", time.Duration(disk.FullIn)*time.Second)
	}
	return text + "To confirm: auditbridge status. What to do: operations.md, " + level + ".\n"
}

// carryOut does what was ordered. One without an action here was ordered by a run
// that has another configuration than this.
func (h *herald) carryOut(ctx context.Context, j *job) {
	var err error
	switch do, known := j.settings.Disk[j.order.Level]; {
	case !known:
		err = fmt.Errorf("the configuration has no program and no mail for %s", j.order.Level)
	case do.Program != "":
		err = banner.RunHook(ctx, do.Program, &j.disk)
	default:
		err = banner.Mail(ctx, do.Mail, j.subject, j.text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carried(j.order, err)
}

// carried tells run how it went.
func (h *herald) carried(o *status.Order, err error) {
	e := Entry{At: time.Now(), Op: "disk-action", Order: o.Number, Codes: []string{o.Level}}
	if err != nil {
		h.log.Error("what was ordered for a disk level failed", "level", o.Level, "err", err)
		e.Detail = err.Error()
	}
	h.enter(e)
	h.keep()
}
