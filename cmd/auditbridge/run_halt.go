package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// pushPause is between two looks whether everybody has it all.
const pushPause = 20 * time.Millisecond

// push returns when each destination that is connected has acknowledged all that is
// durable now. With ctx's end it says which has not.
func (d *daemon) push(ctx context.Context) error {
	end := d.journal.Mark().Durable()
	tick := time.NewTicker(pushPause)
	defer tick.Stop()
	for {
		var waiting []string
		cursors := d.shipper.Cursors()
		for name, s := range d.shipper.Stats() {
			if s.Connected && cursors[name].At < end {
				waiting = append(waiting, name)
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("push the last records: %s: not acknowledged yet", strings.Join(waiting, ", "))
		}
	}
}

// tell reaches whoever is there when the host goes down; the watch may be gone.
func (d *daemon) tell(text string) { tellBeforeTheEnd(text, d.now.Load().Watch().Exclude) }
