// Package moment reads the times that people give at a command line.
package moment

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is what a time names: a second, a minute, a day. A beginning means its
// From, an end its To, so that "until yesterday" takes all of yesterday in.
type Span struct {
	From time.Time
	To   time.Time // no longer in it
}

// Parse reads a time as seen from now, in now's zone where it names none:
//
//	2024-03-06T16:34:22Z             RFC 3339, with or without fractions
//	2024-03-06 [16:34[:22]]          also with a T between
//	16:34[:22]                       of today
//	@1709742862[.344]                Unix time, as in audit(1709742862.344:2321)
//	now, today, yesterday, recent    recent is ten minutes ago; these are ausearch's
//	this-hour, this-week, this-month, this-year, week-ago
//	2h, 90m, 1d12h, 3w, each with or without " ago"
func Parse(text string, now time.Time) (Span, error) {
	if s, ok := word(text, now); ok {
		return s, nil
	}
	if s, ok := written(text, now); ok {
		return s, nil
	}
	if d, ok := distance(strings.TrimSuffix(text, " ago")); ok {
		return Span{now.Add(-d), now.Add(-d)}, nil
	}
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		if s, ok := unix(seconds); ok {
			return s, nil
		}
	}
	return Span{}, fmt.Errorf(`%q is no time: write 2024-03-06, "2024-03-06 16:34", 2024-03-06T16:34:22Z, today, yesterday or 2h`, text)
}

func word(text string, now time.Time) (Span, bool) {
	year, month, day := now.Date()
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, now.Location()) }
	switch text {
	case "now":
		return Span{now, now.Add(time.Millisecond)}, true
	case "recent":
		return Span{now.Add(-10 * time.Minute), now}, true
	case "today":
		return Span{date(year, month, day), date(year, month, day+1)}, true
	case "yesterday":
		return Span{date(year, month, day-1), date(year, month, day)}, true
	case "this-hour":
		from := time.Date(year, month, day, now.Hour(), 0, 0, 0, now.Location())
		return Span{from, from.Add(time.Hour)}, true
	case "this-week": // from Sunday, as ausearch's
		sunday := day - int(now.Weekday())
		return Span{date(year, month, sunday), date(year, month, sunday+7)}, true
	case "week-ago":
		return Span{date(year, month, day-7), date(year, month, day-6)}, true
	case "this-month":
		return Span{date(year, month, 1), date(year, month+1, 1)}, true
	case "this-year":
		return Span{date(year, 1, 1), date(year+1, 1, 1)}, true
	}
	return Span{}, false
}

// layouts are the ways to write a time, and how long what it names is. A day is
// not always 24 hours.
var layouts = []struct {
	layout string
	unit   time.Duration // 0 is a day
}{
	{"2006-01-02", 0},
	{"2006-01-02 15:04", time.Minute},
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02 15:04:05", time.Second},
	{"2006-01-02T15:04:05", time.Second},
	{time.RFC3339, time.Second},
	{"2006-01-02 15:04:05Z07:00", time.Second},
}

func written(text string, now time.Time) (Span, bool) {
	if len(text) > 2 && len(text) <= len("16:34:22.123") && (text[1] == ':' || text[2] == ':') {
		text = now.Format("2006-01-02 ") + text
	}
	for _, l := range layouts {
		t, err := time.ParseInLocation(l.layout, text, now.Location())
		switch {
		case err != nil:
			continue
		case l.unit == 0:
			return Span{t, t.AddDate(0, 0, 1)}, true
		case t.Nanosecond() != 0: // Parse takes a fraction that no layout has
			return Span{t, t.Add(time.Millisecond)}, true
		}
		first, last := both(t, text)
		return Span{first, last.Add(l.unit)}, true
	}
	return Span{}, false
}

// both returns the two times that a clock shows as it shows t, where it is set
// back; else both are t. Text that names its zone means one of them.
func both(t time.Time, text string) (first, last time.Time) {
	first, last = t, t
	if strings.ContainsAny(text[len("2006-01-02"):], "Z+-") {
		return first, last
	}
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour} { // Lord Howe Island, and elsewhere
		if u := t.Add(-shift); sameClock(t, u) {
			first = u
		}
		if u := t.Add(shift); sameClock(t, u) {
			last = u
		}
	}
	return first, last
}

func sameClock(a, b time.Time) bool {
	return a.Format(time.DateTime) == b.Format(time.DateTime)
}

// distance reads 2h, 1d12h. An hour is 3600 seconds and a day 24 of them.
func distance(text string) (sum time.Duration, ok bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if end <= 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(text[:end], 10, 32)
		unit, known := units[text[end]]
		if err != nil || !known || n > int64(50*365*24*time.Hour/unit) {
			return 0, false
		}
		sum, ok = sum+time.Duration(n)*unit, true
		text = text[end+1:]
	}
	return sum, ok
}

func unix(text string) (Span, bool) {
	whole, fraction, fine := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > 253402300799 {
		return Span{}, false
	}
	t := time.Unix(seconds, 0)
	if !fine {
		return Span{t, t.Add(time.Second)}, true
	}
	millis, err := strconv.ParseUint(fraction, 10, 16)
	if err != nil || len(fraction) != 3 {
		return Span{}, false
	}
	t = t.Add(time.Duration(millis) * time.Millisecond)
	return Span{t, t.Add(time.Millisecond)}, true
}
