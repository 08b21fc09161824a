package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"auditbridge/diskguard"
)

// Duration is written as in the user's documents, in hours and days: "24h",
// "1d", "180d"; shorter units are Go's ("15s", "1m30s").
type Duration time.Duration

func (Duration) want() string { return `a duration such as "24h" or "180d"` }

// UnmarshalText accepts positive durations only.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	var days time.Duration
	if before, after, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseUint(before, 10, 32)
		if err != nil || n > math.MaxInt64/uint64(24*time.Hour) {
			return fmt.Errorf("%q is not %s", s, d.want())
		}
		days, s = time.Duration(n)*24*time.Hour, after
	}
	var rest time.Duration
	if s != "" || days == 0 {
		var err error
		if rest, err = time.ParseDuration(s); err != nil || rest < 0 {
			return fmt.Errorf("%q is not %s", text, d.want())
		}
	}
	if rest > math.MaxInt64-days || days+rest <= 0 {
		return fmt.Errorf("%q is not %s", text, d.want())
	}
	*d = Duration(days + rest)
	return nil
}

func (d Duration) String() string {
	t := time.Duration(d)
	if t >= 24*time.Hour && t%(24*time.Hour) == 0 {
		return strconv.FormatInt(int64(t/(24*time.Hour)), 10) + "d"
	}
	if t%time.Hour == 0 {
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	}
	if t%time.Minute == 0 {
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	}
	return t.String()
}

// Size is a number of bytes, written with a binary unit: "10GiB".
type Size int64

func (Size) want() string { return `a size such as "512MiB" or "10GiB"` }

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText accepts whole, positive numbers of KiB, MiB, GiB and TiB.
func (z *Size) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range sizeUnits {
		digits, found := strings.CutSuffix(s, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(digits, " "), 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/u.bytes {
			break
		}
		*z = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not %s%s", s, z.want(), nearestSize(s))
}

// nearestSize is the form that a size with a unit of common speech may mean. The
// units of disk makers are powers of ten; auditd's, and ours, are of two.
func nearestSize(s string) string {
	digits := strings.TrimRight(s, "bBiIkKmMgGtT ")
	unit := strings.ToUpper(strings.TrimSpace(s[len(digits):]))
	if n, err := strconv.ParseUint(digits, 10, 31); err != nil || n == 0 || unit == "" {
		return ""
	}
	for _, u := range sizeUnits {
		if unit == u.name[:1] || unit == u.name[:1]+"B" || unit == strings.ToUpper(u.name) {
			return fmt.Sprintf("; nearest: %q", digits+u.name)
		}
	}
	return ""
}

func (z Size) String() string {
	if z == 0 {
		return "no bound"
	}
	for _, u := range sizeUnits {
		if z != 0 && int64(z)%u.bytes == 0 {
			return strconv.FormatInt(int64(z)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(z), 10) + "B"
}

// Level is an amount of space: a share of max-size, or of the file system when
// that is smaller ("25%"), or a Size.
type Level struct {
	Percent int  // 1 … 99, or 0
	Size    Size // when Percent is 0
}

func (Level) want() string { return `a level such as "25%" or "512MiB"` }

// UnmarshalText accepts "1%" … "99%" and every Size.
func (l *Level) UnmarshalText(text []byte) error {
	if digits, found := strings.CutSuffix(string(text), "%"); found {
		n, err := strconv.ParseUint(digits, 10, 8)
		if err != nil || n < 1 || n > 99 {
			return fmt.Errorf("%q is not %s", text, l.want())
		}
		*l = Level{Percent: int(n)}
		return nil
	}
	var z Size
	if err := z.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is not %s%s", text, l.want(), nearestSize(string(text)))
	}
	*l = Level{Size: z}
	return nil
}

func (l Level) String() string {
	if l.Percent > 0 {
		return strconv.Itoa(l.Percent) + "%"
	}
	return l.Size.String()
}

// Of is the level in bytes when whole is the space there is.
func (l Level) Of(whole Size) int64 { return l.threshold().Of(int64(whole)) }

func (l Level) threshold() diskguard.Threshold {
	return diskguard.Threshold{Percent: l.Percent, Bytes: int64(l.Size)}
}

// Count is a number of things; where no file sets it, any number.
type Count uint32

func (Count) want() string { return "a whole number, 1 or more" }

func (n Count) String() string {
	if n == 0 {
		return "any number"
	}
	return strconv.FormatUint(uint64(n), 10)
}

// Users are names and numbers of users: ["syslog", 990].
type Users []string

func (Users) want() string { return `a list of user names and numbers such as ["syslog", 990]` }

// Port is a TCP or UDP port; 0 stands for "not set".
type Port uint16

func (Port) want() string { return "a port, 1 … 65535" }

func (p Port) String() string { return strconv.Itoa(int(p)) }
