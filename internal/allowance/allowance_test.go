package allowance

import (
	"testing"
	"time"
)

// What comes without end passes now and then, and says how many did not.
func TestWhatComesWithoutEndIsBounded(t *testing.T) {
	var a Allowance
	start := time.Unix(1700000000, 0)
	passed := 0
	for i := range 1000 {
		if _, ok := a.Take(start.Add(time.Duration(i) * time.Millisecond)); ok {
			passed++
		}
	}
	if held, ok := a.Take(start.Add(11 * time.Second)); passed != 20 || !ok || held != 980 {
		t.Errorf("%d passed, then %v with %d held", passed, ok, held)
	}
}
