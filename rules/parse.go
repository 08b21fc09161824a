package rules

import (
	"fmt"
	"slices"
	"strings"

	"auditbridge/internal/nearest"
)

// File is a rule file, line by line.
type File struct {
	Name       string
	Statements []Statement
	Warnings   []Problem // what auditctl would read otherwise than it looks
}

// Parse reads a rule file as auditctl -R does, on the given host. Lines that it
// cannot read are left out; the error is then Problems that name them all.
func Parse(name, text string, host *Host) (*File, error) {
	f := &File{Name: name, Statements: make([]Statement, 0, strings.Count(text, "\n")+1)}
	var problems Problems
	var l line
	var words []word
	for first, written := range logicalLines(text) {
		here := Position{File: name, Line: first}
		var tabs bool
		words, tabs = splitWords(words[:0], written)
		if len(words) == 0 || strings.HasPrefix(words[0].text, "#") {
			continue
		}
		f.warnOfSpelling(here, words, tabs, written)
		l = line{host: host, at: here, rule: Rule{Fields: l.rule.Fields[:0]}, keys: l.keys[:0], settings: l.settings[:0]}
		s, err := l.read(words)
		if err != nil {
			here.Column = l.at.Column
			problems = append(problems, at(here, err))
			continue
		}
		s.Text = strings.TrimSpace(written)
		for _, set := range l.settings { // wherever in the line they stand, auditctl sets them first
			set.At, set.Text = s.At, s.Text
			f.Statements = append(f.Statements, set)
		}
		if l.has {
			f.Statements = append(f.Statements, s)
		}
	}
	if len(problems) > 0 {
		return f, problems
	}
	return f, nil
}

// logicalLines yields lines with the number of the first one: a backslash at the
// end joins the next one, which is blanked into this one so that columns stay.
func logicalLines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		joined, first, n := "", 0, 0
		for raw := range strings.Lines(text) {
			n++
			if joined == "" {
				first = n
			}
			raw = strings.TrimRight(raw, "\r\n")
			if continues(raw) && !strings.HasPrefix(strings.TrimSpace(joined+raw), "#") {
				joined += raw[:len(raw)-1] + " "
				continue
			}
			if !yield(first, joined+raw) {
				return
			}
			joined = ""
		}
		if joined != "" {
			yield(first, joined)
		}
	}
}

// continues tells whether a line ends in a backslash that stands for nothing else.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

func (f *File) warnOfSpelling(here Position, words []word, tabs bool, written string) {
	warn := func(column int, what, hint string) {
		here.Column = column
		f.Warnings = append(f.Warnings, Problem{At: here, What: what, Hint: hint})
	}
	if tabs {
		warn(strings.IndexByte(written, '\t')+1, "a tab between words", "auditctl takes it for a part of the word; write spaces")
	}
	for i, w := range words {
		if w.quoted {
			warn(w.column, fmt.Sprintf("the path %q in quotes", w.text), "auditctl does not know quotes; write a space in a path as `\\ `")
		} else if i > 0 && words[i-1].text == "-k" && strings.ContainsAny(w.text[:1], `"'`) {
			warn(w.column, fmt.Sprintf("the quotes become a part of the key %s", w.text), "leave them out: a key is one word")
		}
	}
}

// line reads one line; the next one uses its room again. Some options want others
// before them, as in auditctl. Settings may stand beside each other, and beside a rule.
type line struct {
	host *Host
	at   Position // where the option is that is being read
	verb Verb
	has  bool // a verb, which Set is not here

	rule       Rule
	arch       uint32 // of -F arch; 0 is the host's
	calls      callMask
	callsGiven bool // by -S, or as all of a watch
	keyed      bool // something that a key may follow
	keys       []string
	keyAt      int // where among the fields -F key= stood; -1 is behind them all

	settings []Statement
	said     string
}

func (l *line) read(words []word) (Statement, error) {
	l.keyAt = -1
	for i := 0; i < len(words); i++ {
		w := words[i]
		l.at.Column = w.column
		if name, ok := unnamedField(w.text); ok {
			if err := l.readField(word{text: name, column: w.column}); err != nil {
				return Statement{}, err
			}
			continue
		}
		name, argument, attached, err := cutOption(w)
		if err != nil {
			return Statement{}, err
		}
		if o := options[name]; o.takes == "" {
			argument = word{column: w.column}
		} else if !attached {
			if i++; i == len(words) {
				return Statement{}, complain("%s needs %s behind it", name, o.takes)
			}
			argument = words[i]
		}
		l.at.Column = argument.column
		if err := options[name].read(l, argument); err != nil {
			return Statement{}, err
		}
	}
	l.at.Column = words[0].column // what follows is about the line as a whole
	return l.finish()
}

// unnamedField is how auditctl -l shows a field that it has no name for: f24!=0.
func unnamedField(text string) (string, bool) {
	digits, found := strings.CutPrefix(text, "f")
	end := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' })
	if !found || end <= 0 {
		return "", false
	}
	n, err := readNumber(digits[:end])
	if err != nil || fields[FieldID(n)] == nil {
		return "", false
	}
	return fields[FieldID(n)].name + digits[end:], true
}

// does makes the line one that does something and has no rule.
func (l *line) does(v Verb, w word) error {
	if l.has {
		return complain("two operations in one line").advise("give each a line of its own")
	}
	l.verb, l.has, l.said = v, true, w.text
	return nil
}

func (l *line) sets(s Setting, w word, most uint32) error {
	n, err := readNumber(w.text)
	if err != nil || n > most || strings.HasPrefix(w.text, "-") {
		return complain("%s must be a number from 0 to %d, not %q", settingOptions[s], most, w.text)
	}
	l.settings = append(l.settings, Statement{Verb: Set, Setting: s, Value: n, Word: w.text})
	return nil
}

// readList reads LIST,ACTION, or the other way round.
func (l *line) readList(v Verb, w word) error {
	if err := l.does(v, w); err != nil {
		return err
	}
	one, other, ok := strings.Cut(w.text, ",")
	if !ok || strings.Contains(other, ",") {
		return complain("%q is not a list and an action", w.text).advise("for example always,exit")
	}
	if _, isList := listNames.number[one]; isList {
		one, other = other, one
	} else if _, isAction := actionNames.number[other]; isAction {
		one, other = other, one
	}
	action, ok := actionNames.number[one]
	list, known := listNames.number[other]
	switch {
	case !ok && !known:
		return complain("%q has neither a list nor an action", w.text).advise("for example always,exit")
	case !ok:
		return complain("unknown action %q", one).meant(nearest.Word(one, actionNames.order))
	case other == "entry":
		return complain("the list entry is gone").advise("exit has the same and more")
	case !known:
		return complain("unknown list %q", other).meant(nearest.Word(other, listNames.order))
	case one == "possible":
		return complain("the action possible is gone, and such a line does nothing").advise("remove it")
	}
	l.rule.List, l.rule.Action = List(list), Action(action)
	if l.rule.List == ListTask && l.callsGiven {
		return complain("system calls on the list task")
	}
	return nil
}

// readWatch reads -w or -W: a rule for all calls that touch a path.
func (l *line) readWatch(v Verb, w word) error {
	if err := l.does(v, w); err != nil {
		return err
	}
	path := w.text
	if len(path) > 2 { // auditctl trims no shorter one
		path = strings.TrimRight(path, "/")
	}
	if path == "" || path[0] != '/' {
		return complain("the path %q does not begin with a slash", w.text)
	}
	if len(path) >= maxPath || len(path)-strings.LastIndexByte(path, '/')-1 > 255 {
		return complain("a path of %d bytes is too long", len(path))
	}
	id := fieldPath
	if l.host.IsDir(path) {
		id = fieldDir
	}
	l.rule.List, l.rule.Action = ListExit, Always
	l.calls.addAll()
	l.rule.Fields = append(l.rule.Fields, Field{ID: id, Op: Equal, Text: path}, Field{ID: fieldPerm, Op: Equal, Value: 15})
	l.callsGiven, l.keyed = true, true
	return nil
}

// readPermissions reads -p: it replaces what a watch has.
func (l *line) readPermissions(w word) error {
	if !l.has || l.verb != Add && l.verb != Delete {
		return complain("-p before what it is for").advise("put -w first")
	}
	permissions, err := readPermissions(w.text)
	if err != nil {
		return err
	}
	for i := range l.rule.Fields {
		if l.rule.Fields[i].ID == fieldPerm {
			l.rule.Fields[i].Value = permissions
			return nil
		}
	}
	if len(l.rule.Fields) == 0 {
		return complain("-p before what it is for").advise("put -w or -F path= first")
	}
	l.keyed = true
	return l.addField(Field{ID: fieldPerm, Op: Equal, Value: permissions})
}

// readKey reads -k: of several, all are kept.
func (l *line) readKey(w word) error {
	clear := l.has && l.verb == Clear
	if !clear && (!l.has || !l.keyed) {
		return complain("a key before what it is for").advise("put it behind -w, -S, or -F path=, dir=, exe=, perm= or fstype=")
	}
	if w.text == "" || strings.Contains(w.text, keyBoundary) {
		return complain("%q cannot be a key", w.text)
	}
	if l.keys = append(l.keys, w.text); len(strings.Join(l.keys, keyBoundary)) > maxKey {
		return complain("the key is longer than %d bytes", maxKey)
	}
	return nil
}

func (l *line) readEquivalent(w word) error {
	if mount, tree, ok := strings.Cut(w.text, ","); !ok || mount == "" || tree == "" || strings.Contains(tree, ",") {
		return complain("%q is not MOUNT,SUBTREE", w.text)
	}
	return l.does(Equivalent, w)
}

func (l *line) readMessage(w word) error {
	if strings.ContainsFunc(w.text, func(c rune) bool { return c < ' ' }) {
		return complain("a control character in a message")
	}
	return l.does(Message, w)
}

// signals are the words that auditctl --signal knows, and what each sends.
var signals = map[string]string{
	"term": "TERM", "stop": "TERM", "hup": "HUP", "reload": "HUP", "usr1": "USR1", "rotate": "USR1",
	"usr2": "USR2", "resume": "USR2", "cont": "CONT", "state": "CONT",
}

func (l *line) readSignal(w word) error {
	name := signals[strings.ToLower(w.text)]
	if name == "" {
		return complain("unknown signal %q", w.text).advise("stop, reload, rotate, resume or state")
	}
	w.text = name
	return l.does(Signal, w)
}

// finish puts together what has been read.
func (l *line) finish() (Statement, error) {
	s := Statement{At: l.at, Verb: l.verb, Rule: l.rule, Word: l.said}
	s.At.Column = 1
	sets := len(l.settings) > 0
	switch {
	case !l.has && sets && len(l.rule.Fields)+len(l.keys) == 0 && !l.callsGiven:
	case !l.has:
		return s, complain("a line that says neither -a, -A nor -d").advise("for example -a always,exit in front")
	case sets && s.Verb != Add && s.Verb != Delete && s.Verb != IgnoreErrors && s.Verb != ContinueAfter:
		return s, complain("two operations in one line").advise("give each a line of its own")
	case s.Verb == Clear:
		s.Word = strings.Join(l.keys, keyBoundary)
	case s.Verb != Add && s.Verb != Delete:
		if len(l.rule.Fields)+len(l.keys) > 0 || l.callsGiven {
			return s, complain("parts of a rule beside an option that has none")
		}
	default:
		if !l.callsGiven && s.Rule.List != ListTask {
			l.calls.addAll()
		}
		s.Rule.Calls = l.calls.calls()
		if len(l.keys) > 0 {
			key := Field{ID: fieldKey, Op: Equal, Text: strings.Join(l.keys, keyBoundary)}
			at := l.keyAt
			if at < 0 {
				at = len(l.rule.Fields)
			}
			l.rule.Fields = slices.Insert(l.rule.Fields, at, key)
		}
		s.Rule.Fields = append([]Field(nil), l.rule.Fields...) // the next line has its own where these are
		if len(s.Rule.Fields) >= maxFields {
			return s, complain("%d fields: %d is the most", len(s.Rule.Fields), maxFields-1)
		}
		return s, s.Rule.validate()
	}
	return s, nil
}
