package window

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the order of acknowledgements, what has arrived are the bytes of the
// frames before the first that is missing.
func TestArrivedHasNoGap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const n = 700 // the ring grows
		w := New(n, time.Minute)
		var ends []uint64
		end := uint64(0)
		for range n {
			size := 1 + random.IntN(50)
			w.Add(size)
			end += uint64(size)
			ends = append(ends, end)
		}
		if got, err := w.Next(); uint64(got) != end || err != nil {
			t.Fatalf("%d bytes may go, %v; want all %d", got, err, end)
		}
		seen := make([]bool, n)
		for _, i := range random.Perm(n) {
			if err := w.Acknowledge(uint64(i)); err != nil {
				t.Fatal(err)
			}
			seen[i] = true
			want := uint64(0)
			for j := 0; j < n && seen[j]; j++ {
				want = ends[j]
			}
			if got := w.Arrived(); got != want {
				t.Fatalf("%d bytes arrived, want %d", got, want)
			}
		}
		if !w.Empty() {
			t.Fatal("not empty")
		}
	}
}

func TestWhatAFarEndMayNotAcknowledge(t *testing.T) {
	w := New(2, time.Minute)
	for range 4 {
		w.Add(10)
	}
	if got, _ := w.Next(); got != 20 {
		t.Fatalf("%d bytes may go, want the window's two frames", got)
	}
	for _, row := range []struct {
		n    uint64
		want error
	}{{2, ErrUnsent}, {1 << 60, ErrUnsent}, {1, nil}, {1, ErrTwice}, {0, nil}, {0, ErrTwice}, {1, ErrTwice}} {
		if err := w.Acknowledge(row.n); !errors.Is(err, row.want) {
			t.Errorf("acknowledge %d: %v, want %v", row.n, err, row.want)
		}
	}
	if got, _ := w.Next(); got != 20 {
		t.Errorf("%d bytes may go, want the next two frames", got)
	}
}

// A full window waits, for as long as the far end may be silent and no longer; and
// then until a quarter of it is free.
func TestFullWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(8, time.Minute)
		for range 16 {
			w.Add(1)
		}
		w.Next()
		sent := make(chan int)
		go func() {
			n, _ := w.Next()
			sent <- n
		}()
		time.Sleep(30 * time.Second)
		w.Acknowledge(0)
		synctest.Wait()
		w.Acknowledge(1)
		if n := <-sent; n != 2 {
			t.Errorf("%d bytes may go, want 2", n)
		}
		start := time.Now()
		_, err := w.Next()
		var silence *SilenceError
		if !errors.As(err, &silence) || silence.Waiting != 8 {
			t.Errorf("%v, want 8 waiting", err)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
		w.Break()
		if _, err := w.Next(); err == nil {
			t.Error("a broken window lets more go")
		}
	})
}

// Numbers that wrap around still name one frame.
func TestNumbersThatWrap(t *testing.T) {
	w := New(10, time.Minute)
	for n := range uint64(100) {
		w.Add(1)
		w.Next()
		if got := w.Number(n%7, 7); got != n {
			t.Fatalf("number %d is frame %d, want %d", n%7, got, n)
		}
		w.Acknowledge(n)
	}
}
