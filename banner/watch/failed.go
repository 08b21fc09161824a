package watch

import (
	"strings"
	"time"
)

// Failed is since when nobody records, because of run itself, and why; the zero
// time when run is at work.
func (v *Verdict) Failed() (since time.Time, why string) {
	for _, r := range v.Raised {
		if !strings.HasPrefix(r.Code, "run-") {
			continue
		}
		if since.IsZero() || r.Since.Before(since) {
			since = r.Since
		}
		if why == "" {
			why = r.Code
		}
	}
	return since, why
}
