package forward

import "time"

// pace holds a destination to so many bytes a second, so that a server that was away
// is not flooded by all that hosts had to keep for it. It is pure.
type pace struct {
	rate int64     // bytes a second; 0 is no bound
	next time.Time // when what was sent until now has had its time
}

// burst is how much may go at once after a pause, as time at the pace.
const burst = time.Second

// sent returns how long to wait after so many bytes.
func (p *pace) sent(bytes int, now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	if least := now.Add(-burst); p.next.Before(least) {
		p.next = least
	}
	p.next = p.next.Add(time.Duration(float64(bytes) / float64(p.rate) * float64(time.Second)))
	return max(0, p.next.Sub(now))
}
