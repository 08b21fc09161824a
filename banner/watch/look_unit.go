package watch

import "time"

// unitAgain is how often the service manager is asked.
const unitAgain = 500 * time.Millisecond

// unitLook looks whether a service that is not there is on its way.
type unitLook struct {
	awaited awaited
	asked   time.Time
	unit    Unit // as it was then
	effort  effort
}

// comes says that the service of that name may still come. ask is not asked any more
// when it has been given up.
func (l *unitLook) comes(ask func(string) Unit, name string, now time.Time) bool {
	if l.awaited.missed {
		return false
	}
	if ask != nil && now.Sub(l.asked) >= unitAgain {
		l.unit, l.asked = ask(name), now
	}
	before := l.effort
	l.effort = effortOf(l.unit.Begins, now)
	works := l.effort.held(&before) || l.effort.works(&before)
	return l.awaited.may(now, &l.unit, works, booted() < bootTime)
}
