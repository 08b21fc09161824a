// Package allowance bounds how often something that others can bring about is put
// on record: it must not fill the journal.
package allowance

import "time"

// Allowance lets twenty pass, then one in ten seconds. The zero Allowance has let
// none pass. It is not safe for concurrent use.
type Allowance struct {
	used  int
	since time.Time
	held  int
}

// Most is how many pass at once.
const Most = 20

const each = 10 * time.Second

// Take says whether one more may pass at now, and how many were held back since the
// last that did.
func (a *Allowance) Take(now time.Time) (held int, ok bool) {
	if back := int(now.Sub(a.since) / each); back > 0 {
		a.used, a.since = max(0, a.used-back), now
	}
	if a.used >= Most {
		a.held++
		return 0, false
	}
	a.used++
	held, a.held = a.held, 0
	return held, true
}
