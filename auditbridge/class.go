package auditbridge

// Class is what kind of thing an event is about; the user's filters speak of
// classes.
type Class uint8

const (
	System Class = iota
	Login
	ConfigChange
	Session
	Alarm
)

var classNames = [...]string{System: "system", Login: "login", ConfigChange: "config-change", Session: "session", Alarm: "alarm"}

func (c Class) String() string { return nameAt(classNames[:], int(c)) }

// ParseClass is the inverse of Class.String.
func ParseClass(name string) (Class, bool) {
	i, ok := indexOf(classNames[:], name)
	return Class(i), ok
}

// Facility is a syslog facility's code (RFC 5424 section 6.2.1).
type Facility uint8

const (
	Kern   Facility = 0
	Daemon Facility = 3
	Auth   Facility = 4
	Local0 Facility = 16
)

var facilityNames = [...]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

func (f Facility) String() string { return nameAt(facilityNames[:], int(f)) }

// ParseFacility is the inverse of Facility.String.
func ParseFacility(name string) (Facility, bool) {
	i, ok := indexOf(facilityNames[:], name)
	return Facility(i), ok
}

// Severity is a syslog severity's code (RFC 5424 section 6.2.1): 0 is the most
// urgent.
type Severity uint8

const (
	Emergency Severity = iota
	Alert
	Critical
	Error
	Warning
	Notice
	Info
	Debug
)

var severityNames = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (s Severity) String() string { return nameAt(severityNames[:], int(s)) }

// ParseSeverity is the inverse of Severity.String; it takes the long names
// too, as the user's documents write them.
func ParseSeverity(name string) (Severity, bool) {
	switch name {
	case "emergency":
		return Emergency, true
	case "critical":
		return Critical, true
	case "error":
		return Error, true
	case "warn":
		return Warning, true
	case "informational":
		return Info, true
	}
	i, ok := indexOf(severityNames[:], name)
	return Severity(i), ok
}

func nameAt(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "?"
}

func indexOf(names []string, name string) (int, bool) {
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}
