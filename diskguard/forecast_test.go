package diskguard

import (
	"testing"
	"time"
)

// When nothing will be left, at the rate of the last minute; nothing is said of
// what is not known.
func TestForecast(t *testing.T) {
	for _, row := range []struct {
		name string
		left func(second int) int64
		long int // seconds
		want time.Duration
	}{
		{"a journal that rests", func(int) int64 { return 1000 }, 600, 0},
		{"one look", func(int) int64 { return 1000 }, 0, 0},
		{"ten bytes a second", func(s int) int64 { return 10000 - int64(10*s) }, 100, 900 * time.Second},
		{"ten bytes a second, for an hour", func(s int) int64 { return 50000 - int64(10*s) }, 3600, 1400 * time.Second},
		{"a flood that began a minute ago", func(s int) int64 { return 100000 - int64(1000*max(0, s-540)) }, 600, 40 * time.Second},
		{"a flood that ended a minute ago", func(s int) int64 { return 100000 - int64(1000*min(s, 50)) }, 120, 0},
		{"room was made just now", func(s int) int64 {
			if s == 600 {
				return 1 << 30
			}
			return 10000 - int64(10*s)
		}, 600, 0},
		{"nothing is left", func(s int) int64 { return max(0, 100-int64(10*s)) }, 20, time.Second},
		{"more than a month", func(s int) int64 { return 1<<40 - int64(s) }, 600, 0},
	} {
		var f forecast
		began := time.Unix(1709742929, 0)
		for s := 0; s <= row.long; s++ {
			f.see(began.Add(time.Duration(s)*time.Second), row.left(s))
		}
		if got := f.fullIn(); got < row.want-row.want/10 || got > row.want+row.want/10 {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
		if len(f.seen) > int(sight/sampleGap)+2 {
			t.Errorf("%s: %d looks are remembered", row.name, len(f.seen))
		}
	}
}
