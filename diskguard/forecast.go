package diskguard

import "time"

// forecast tells from what was left in the last minute when nothing will be. It
// is pure.
type forecast struct {
	seen []sample // oldest first, sampleGap apart
	last sample
}

type sample struct {
	at   time.Time
	left int64
}

const (
	sampleGap = 5 * time.Second
	sight     = time.Minute
	// farthest is what a forecast is worth: beyond it nothing is said.
	farthest = 30 * 24 * time.Hour
)

// see takes a look. When more is left than before, something was dropped or
// freed: that is no rate, and counting begins anew.
func (f *forecast) see(now time.Time, left int64) {
	if left > f.last.left {
		f.seen = f.seen[:0]
	}
	f.last = sample{now, left}
	if n := len(f.seen); n == 0 || now.Sub(f.seen[n-1].at) >= sampleGap {
		f.seen = append(f.seen, f.last)
	}
	for len(f.seen) > 1 && now.Sub(f.seen[1].at) >= sight {
		f.seen = append(f.seen[:0], f.seen[1:]...)
	}
}

// rate is how many bytes a second go, 0 when that is not known.
func (f *forecast) rate() float64 {
	first := f.seen[0]
	took := f.last.at.Sub(first.at)
	if took < time.Second {
		return 0
	}
	return float64(first.left-f.last.left) / took.Seconds()
}

// span is how long the looks it remembers lie apart.
func (f *forecast) span() time.Duration { return f.last.at.Sub(f.seen[0].at) }

// fullIn is when nothing will be left, at the present rate; 0 when that is far
// away or not known.
func (f *forecast) fullIn() time.Duration {
	rate := f.rate()
	if rate <= 0 {
		return 0
	}
	seconds := float64(f.last.left) / rate
	if seconds > farthest.Seconds() {
		return 0
	}
	return max(time.Second, time.Duration(seconds*float64(time.Second)).Round(time.Second))
}
