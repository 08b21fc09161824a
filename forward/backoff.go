package forward

import "time"

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second
)

// backoff is how long to wait before try n (from 0): full jitter below a bound
// that doubles up to maxDelay. random is in [0, 1).
func backoff(n int, random float64) time.Duration {
	bound := maxDelay
	if n < 6 { // 0.5 s << 6 is beyond the cap
		bound = min(maxDelay, firstDelay<<n)
	}
	return time.Duration(random * float64(bound))
}
