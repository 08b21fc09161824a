package watch

import "time"

// Unit is what the service manager says of a service.
type Unit struct {
	Known  bool   // there is a manager, and it has such a service
	Queued bool   // it is going to be started, and waits for others
	Begins int    // its process, which has begun for the first time and is not ready yet; 0 for none
	Says   string // how it is, in the manager's words
}

const (
	early     = 1500 * time.Millisecond // how long a service may take to come of which nothing is seen
	earlyBoot = 5 * time.Second         // the same while the host boots and nobody can say whether it is on its way
	bootTime  = 2 * time.Minute         // how long that lasts
	longest   = 30 * time.Second        // how long one may be on its way
)

// awaited decides how long a service that is not there may still come. The zero
// awaited begins with the first look.
type awaited struct {
	began  time.Time
	sign   time.Time // when it was seen last that it is on its way
	missed bool      // it was given up: if it comes after all, that is seen by itself
}

// may says that the service may still come. works is whether the process by which it
// begins does something, booting whether the host has only just begun.
func (a *awaited) may(now time.Time, u *Unit, works, booting bool) bool {
	if a.began.IsZero() {
		a.began, a.sign = now, now
	}
	if u.Queued || u.Begins != 0 && works {
		a.sign = now
	}
	grace := early
	if booting && !u.Known {
		grace = earlyBoot
	}
	a.missed = a.missed || now.Sub(a.sign) >= grace || now.Sub(a.began) >= longest
	return !a.missed
}
