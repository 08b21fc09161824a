package rules

import (
	"strings"

	"auditbridge/internal/nearest"
)

// An option is one of auditctl's.
type option struct {
	takes string // what its argument is; "" takes none
	read  func(l *line, w word) error
}

// options is the table of all of them (auditctl(8), libaudit 4.2).
var options map[string]option

func init() { // their readers speak of the table
	options = map[string]option{
		"-a": {"LIST,ACTION", func(l *line, w word) error { return l.readList(Add, w) }},
		"-A": {"LIST,ACTION", func(l *line, w word) error { l.rule.Prepend = true; return l.readList(Add, w) }},
		"-d": {"LIST,ACTION", func(l *line, w word) error { return l.readList(Delete, w) }},
		"-w": {"PATH", func(l *line, w word) error { return l.readWatch(Add, w) }},
		"-W": {"PATH", func(l *line, w word) error { return l.readWatch(Delete, w) }},
		"-p": {"PERMISSIONS", (*line).readPermissions},
		"-S": {"SYSCALL", (*line).readCalls},
		"-F": {"FIELD", (*line).readField},
		"-C": {"FIELD=FIELD", (*line).readCompare},
		"-k": {"KEY", (*line).readKey},
		"-D": {"", func(l *line, w word) error { return l.does(Clear, w) }},

		"-e":                   {"0|1|2", func(l *line, w word) error { return l.sets(Enabled, w, 2) }},
		"-f":                   {"0|1|2", func(l *line, w word) error { return l.sets(Failure, w, 2) }},
		"-r":                   {"RATE", func(l *line, w word) error { return l.sets(RateLimit, w, 1<<32-1) }},
		"-b":                   {"RECORDS", func(l *line, w word) error { return l.sets(BacklogLimit, w, 1<<32-1) }},
		"--backlog_wait_time":  {"JIFFIES", func(l *line, w word) error { return l.sets(BacklogWaitTime, w, 1<<32-1) }},
		"--loginuid-immutable": {"", func(l *line, w word) error { w.text = "1"; return l.sets(LoginUIDImmutable, w, 1) }},

		"-c":                               {"", func(l *line, w word) error { return l.does(ContinueAfter, w) }},
		"-i":                               {"", func(l *line, w word) error { return l.does(IgnoreErrors, w) }},
		"-t":                               {"", func(l *line, w word) error { return l.does(Trim, w) }},
		"-q":                               {"MOUNT,SUBTREE", (*line).readEquivalent},
		"-m":                               {"TEXT", (*line).readMessage},
		"--signal":                         {"SIGNAL", (*line).readSignal},
		"--reset-lost":                     {"", func(l *line, w word) error { return l.does(ResetLost, w) }},
		"--reset_backlog_wait_time_actual": {"", func(l *line, w word) error { return l.does(ResetWaited, w) }},

		"-l":     {"", func(l *line, w word) error { return l.does(Ask, w) }},
		"-s":     {"", func(l *line, w word) error { return l.does(Ask, w) }},
		"-v":     {"", func(l *line, w word) error { return l.does(Ask, w) }},
		"-h":     {"", func(l *line, w word) error { return l.does(Ask, w) }},
		"--help": {"", func(l *line, w word) error { return l.does(Ask, w) }},
		"-R": {"FILE", func(*line, word) error {
			return complain("-R in a rule file").advise("put the other file into the directory of rule files, or name both")
		}},
	}
}

// cutOption splits a word into an option and what is attached to it: -kfoo,
// --signal=stop.
func cutOption(w word) (name string, attached word, has bool, err error) {
	name = w.text
	if long := strings.HasPrefix(name, "--"); long {
		if before, after, ok := strings.Cut(name, "="); ok {
			name, attached, has = before, word{text: after, column: w.column + len(before) + 1}, true
		}
	} else if len(name) > 2 && name[0] == '-' {
		name, attached, has = name[:2], word{text: name[2:], column: w.column + 2}, true
	}
	o, known := options[name]
	switch {
	case !strings.HasPrefix(name, "-") || name == "-":
		return name, attached, has, complain("%q stands where an option is expected", w.text)
	case !known:
		return name, attached, has, complain("unknown option %q", w.text).meant(nearest.Word(w.text, optionNames()))
	case has && o.takes == "":
		return name, attached, has, complain("option %s takes nothing, and has %q", name, attached.text)
	}
	return name, attached, has, nil
}

func optionNames() (names []string) {
	for name := range options {
		if len(name) > 2 { // of two letters every one is as near as the other
			names = append(names, name)
		}
	}
	return names
}
