package rules

import (
	"slices"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/internal/nearest"
)

// readField reads FIELD OPERATOR VALUE.
func (l *line) readField(w word) error {
	if !l.has || l.verb != Add && l.verb != Delete {
		return complain("-F before the list it is on").advise("put -a always,exit or the like first")
	}
	name, op, value, err := cutComparison(w.text)
	if err != nil {
		return err
	}
	info := fieldNames[name]
	if info == nil {
		return complain("unknown field %q", name).meant(nearest.Word(name, allFields()))
	}
	if err := info.fits(l.rule.List, op); err != nil {
		return err
	}
	l.at.Column = w.column + strings.Index(w.text, op.String()) + len(op.String())
	if value == "" {
		return complain("field %s without a value", name)
	}
	if info.kind == "key" {
		if l.keyAt < 0 {
			l.keyAt = len(l.rule.Fields)
		}
		return l.readKey(word{text: value, column: l.at.Column})
	}
	f := Field{ID: info.number, Op: op}
	if err := l.readValue(info, value, &f); err != nil {
		return err
	}
	switch f.ID {
	case fieldArch:
		if l.callsGiven {
			return complain("arch behind -S").advise("put -F arch= first: it says whose system calls they are")
		}
		l.arch = f.Value
	case fieldPath, fieldDir, fieldPerm, fieldExe, fieldFS:
		l.keyed = true
	}
	return l.addField(f)
}

func (l *line) addField(f Field) error {
	if len(l.rule.Fields) >= maxFields-1 {
		return complain("more than %d fields", maxFields-1)
	}
	l.rule.Fields = append(l.rule.Fields, f)
	return nil
}

// cutComparison finds the operator: the longest, wherever it stands, as auditctl
// does.
func cutComparison(text string) (name string, op Operator, value string, err error) {
	for _, symbol := range operatorNames.order {
		if before, after, ok := strings.Cut(text, symbol); ok {
			if before == "" {
				return "", 0, "", complain("nothing before the operator in %q", text)
			}
			return before, Operator(operatorNames.number[symbol]), after, nil
		}
	}
	return "", 0, "", complain("no operator in %q", text).advise("one of %s", strings.Join(operatorNames.order, " "))
}

// fits tells whether a field may be compared so in a rule of the list.
func (f *fieldInfo) fits(l List, op Operator) error {
	if !f.in(l) {
		var where []string
		for _, list := range f.lists {
			where = append(where, list.String())
		}
		return complain("field %s on the list %s", f.name, l).advise("it is for the %s %s", plural("list", len(where)), strings.Join(where, ", "))
	}
	if !f.allows(op) {
		var allowed []string
		for _, symbol := range operatorNames.order {
			if f.allows(Operator(operatorNames.number[symbol])) {
				allowed = append(allowed, symbol)
			}
		}
		return complain("field %s does not take the operator %s", f.name, op).advise("it takes %s", strings.Join(allowed, " "))
	}
	return nil
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// readValue reads what a field is compared with.
func (l *line) readValue(info *fieldInfo, value string, f *Field) (err error) {
	switch info.kind {
	case "user":
		f.Value, err = readID(value, l.host.User, "user")
	case "group":
		f.Value, err = readID(value, l.host.Group, "group")
	case "exit":
		f.Value, err = readExit(value)
	case "type":
		f.Value, err = readType(value)
	case "arch":
		f.Value, err = l.host.readArch(value)
	case "permissions":
		f.Value, err = readPermissions(value)
	case "file", "fs", "family":
		f.Value, err = readNamed(string(info.kind), value)
	case "session":
		if f.Value = unset; value != "unset" {
			f.Value, err = readNumber(value)
		}
	case "string", "path":
		f.Text = value
		if len(value) > maxPath {
			err = complain("a value of %d bytes is too long", len(value))
		} else if info.kind == "path" && value[0] != '/' {
			err = complain("the path %q does not begin with a slash", value)
		}
	case "compare":
		err = complain("field_compare cannot be given").advise("write -C with the two fields")
	default:
		f.Value, err = readNumber(value)
	}
	return err
}

// unset is the id of nobody (AUDIT_UID_UNSET).
const unset = 1<<32 - 1

// readNumber reads a number as C does: 0x is hex and a leading 0 octal; a
// negative one is the 32 bits it has.
func readNumber(text string) (uint32, error) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || strings.ContainsAny(digits, "_oObB") && !strings.HasPrefix(strings.ToLower(digits), "0x") {
		return 0, complain("%q is not a number", text)
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || strings.Contains(digits, "_") {
		return 0, complain("%q is not a number", text)
	}
	if n < -1<<31 || n > unset {
		return 0, complain("%s does not fit into 32 bits", text)
	}
	return uint32(n), nil
}

func readID(value string, lookUp func(string) (uint32, error), what string) (uint32, error) {
	if value == "unset" {
		return unset, nil
	}
	if c := strings.TrimPrefix(value, "-"); c != "" && c[0] >= '0' && c[0] <= '9' {
		return readNumber(value)
	}
	n, err := lookUp(value)
	if err != nil {
		return 0, complain("unknown %s %q", what, value).advise("a rule keeps the number: the %s must exist where it is loaded", what)
	}
	return n, nil
}

func readExit(value string) (uint32, error) {
	name, negative := strings.CutPrefix(value, "-")
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return readNumber(value)
	}
	n, ok := auditbridge.ErrnoNamed(name)
	if !ok {
		return 0, complain("unknown error %q", value).meant(nearest.Word(name, slices.Collect(auditbridge.ErrnoNames)))
	}
	if negative {
		n = -n
	}
	return uint32(n), nil
}

func readType(value string) (uint32, error) {
	if value[0] >= '0' && value[0] <= '9' {
		return readNumber(value)
	}
	if t, ok := auditbridge.ParseType([]byte(value)); ok {
		return uint32(t), nil
	}
	var all []string
	for t := auditbridge.RecordType(1000); t < 3000; t++ {
		if name := t.String(); !strings.HasPrefix(name, "UNKNOWN") {
			all = append(all, name)
		}
	}
	return 0, complain("unknown type of record %q", value).meant(nearest.Word(value, all))
}

func readPermissions(value string) (permissions uint32, err error) {
	for _, c := range strings.ToLower(value) {
		bit, ok := values["permission"].number[string(c)]
		if !ok {
			return 0, complain("%q is no permission", string(c)).advise("any of r (read), w (write), x (execute), a (change attributes)")
		}
		permissions |= bit
	}
	if value == "" || len(value) > 4 {
		return 0, complain("%q is not a set of permissions", value).advise("any of r, w, x, a")
	}
	return permissions, nil
}

func readNamed(table, value string) (uint32, error) {
	known := values[table]
	if n, ok := known.number[value]; ok {
		return n, nil
	}
	if value[0] >= '0' && value[0] <= '9' {
		return readNumber(value)
	}
	return 0, complain("unknown value %q", value).advise("one of %s", strings.Join(known.order, ", "))
}

// readCompare reads -C: two fields of a process and of what it touches.
func (l *line) readCompare(w word) error {
	if !l.has || l.verb != Add && l.verb != Delete {
		return complain("-C before the list it is on").advise("put -a always,exit first")
	}
	one, op, other, err := cutComparison(w.text)
	if err != nil {
		return err
	}
	if err := fields[fieldCompare].fits(l.rule.List, op); err != nil {
		return err
	}
	for _, name := range []string{one, other} {
		if fieldNames[name] == nil {
			return complain("unknown field %q", name).meant(nearest.Word(name, allFields()))
		}
	}
	pair := fields[fieldNames[one].number].name + "=" + fields[fieldNames[other].number].name
	swapped := fields[fieldNames[other].number].name + "=" + fields[fieldNames[one].number].name
	for _, way := range []string{pair, swapped} {
		if n, ok := values["compare"].number[way]; ok {
			return l.addField(Field{ID: fieldCompare, Op: op, Value: n})
		}
	}
	return complain("%s and %s cannot be compared", one, other).
		advise("a user with a user, a group with a group: %s", strings.Join(values["compare"].order, ", "))
}

func allFields() (names []string) {
	for name := range fieldNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
