// Package window keeps account of frames that were sent and wait for the far end's
// acknowledgement, for protocols that have one for each frame. It knows neither
// protocol nor connection: frames are numbered from 0 in the order in which they
// were made, and it counts their bytes.
package window

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Rest is how long a listener lets answers gather before it reads on: one wake-up for
// many. A window of some thousand frames does not notice.
const Rest = 500 * time.Microsecond

// Window is the account of one connection. Add, Next, Silent and Arrived are called
// by who sends, Acknowledge and Number by who listens, Break by anybody.
type Window struct {
	limit    int // frames under way at most
	patience time.Duration

	mu       sync.Mutex
	frames   []frame // a ring: frame n is at n modulo its length, a power of two
	done     uint64  // frames before it are all acknowledged
	sent     uint64  // frames before it were handed out to be sent
	made     uint64  // frames before it were made
	end      uint64  // bytes of all made
	sentEnd  uint64  // bytes of all sent
	arrived  uint64  // bytes of those before done
	progress time.Time
	broken   bool
	moved    chan struct{} // full when done has moved, or broken, since somebody waited
}

type frame struct {
	end          uint64 // bytes of all frames up to this one
	acknowledged bool
}

// New returns an empty window. Patience is how long the far end may acknowledge
// nothing while something is under way.
func New(limit int, patience time.Duration) *Window {
	return &Window{limit: limit, patience: patience, frames: make([]frame, 256), moved: make(chan struct{}, 1)}
}

// Add notes that the next frame was made, of so many bytes.
func (w *Window) Add(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int(w.made-w.done) == len(w.frames) {
		w.grow()
	}
	w.end += uint64(bytes)
	*w.at(w.made) = frame{end: w.end}
	w.made++
}

func (w *Window) at(n uint64) *frame { return &w.frames[n&uint64(len(w.frames)-1)] }

func (w *Window) grow() {
	old := w.frames
	w.frames = make([]frame, 2*len(old))
	for n := w.done; n < w.made; n++ {
		*w.at(n) = old[n&uint64(len(old)-1)]
	}
}

// Next waits until some of the frames made and not sent may go, and returns their
// bytes; 0 when there is none, or they have none. A full window is left to empty a little first, so that
// an acknowledgement is not a write.
func (w *Window) Next() (bytes int, err error) {
	for wait := false; ; wait = true {
		bytes, full, err := w.take(wait)
		if !full || err != nil {
			return bytes, err
		}
		select {
		case <-w.moved:
		case <-time.After(w.patience):
			if err := w.Silent(time.Now()); err != nil {
				return 0, err
			}
		}
	}
}

func (w *Window) take(waited bool) (bytes int, full bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left, room := int(w.made-w.sent), w.limit-int(w.sent-w.done)
	switch {
	case w.broken:
		return 0, false, errBroken
	case left == 0:
		return 0, false, nil
	case room <= 0 || waited && room < min(left, w.limit/4):
		return 0, true, nil
	}
	if w.sent == w.done {
		w.progress = time.Now()
	}
	w.sent += uint64(min(left, room))
	end := w.at(w.sent - 1).end
	bytes, w.sentEnd = int(end-w.sentEnd), end
	return bytes, false, nil
}

// Number is the frame whose protocol gave it a number that counts modulo period:
// the one under way for which number stands.
func (w *Window) Number(number, period uint64) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done + (number+period-w.done%period)%period
}

// Acknowledge notes that the far end has acknowledged frame n. Its errors are the
// far end's: it speaks of what was never sent, or twice of one.
func (w *Window) Acknowledge(n uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case n >= w.sent:
		return ErrUnsent
	case n < w.done || w.at(n).acknowledged:
		return ErrTwice
	}
	w.at(n).acknowledged = true
	for w.done < w.sent && w.at(w.done).acknowledged {
		w.arrived = w.at(w.done).end
		w.done++
	}
	w.progress = time.Now()
	w.wake()
	return nil
}

// What a far end may not say.
var (
	ErrUnsent = errors.New("it acknowledges what was never sent, or what it had acknowledged long ago")
	ErrTwice  = errors.New("it acknowledges the same message twice")
)

var errBroken = errors.New("the connection has ended")

// Oldest is the first frame that is not acknowledged; ok says that it was sent.
func (w *Window) Oldest() (n uint64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done, w.done < w.sent
}

// Arrived is how many bytes were acknowledged, without a gap.
func (w *Window) Arrived() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrived
}

// Empty reports whether everything that was made is acknowledged.
func (w *Window) Empty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done == w.made
}

// Silent is a *SilenceError when something is under way and nothing was
// acknowledged for too long.
func (w *Window) Silent(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done < w.sent && now.Sub(w.progress) >= w.patience {
		return &SilenceError{Waiting: w.sent - w.done, For: w.patience}
	}
	return nil
}

// Break ends whoever waits.
func (w *Window) Break() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	w.wake()
}

func (w *Window) wake() {
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

// SilenceError: the far end takes messages and acknowledges none.
type SilenceError struct {
	Waiting uint64
	For     time.Duration
}

func (e *SilenceError) Error() string {
	return fmt.Sprintf("it has acknowledged nothing for %v; %d messages wait for it", e.For, e.Waiting)
}

// Hint says what to do.
func (e *SilenceError) Hint() string {
	return "look at the log server: is it hung, or is its disk full?"
}
