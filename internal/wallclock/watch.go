package wallclock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch calls changed each time somebody has set the host's clock, until ctx ends
// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Slewing it calls nobody.
func Watch(ctx context.Context, changed func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	defer timer.Close()
	defer context.AfterFunc(ctx, func() { timer.SetReadDeadline(time.Unix(1, 0)) })()
	never := unix.ItimerSpec{Value: unix.Timespec{Sec: math.MaxInt64 / int64(2*time.Second)}}
	var word [8]byte
	for {
		if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil); err != nil {
			return fmt.Errorf("watch the clock: %w", err)
		}
		_, err := timer.Read(word[:])
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, errors.Is(err, unix.ECANCELED):
			changed()
		default:
			return fmt.Errorf("watch the clock: %w", err)
		}
	}
}
