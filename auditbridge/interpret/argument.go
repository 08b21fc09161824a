package interpret

import (
	_ "embed"
	"math"
	"strings"

	"auditbridge/auditbridge"
)

//go:embed arguments.txt
var argumentsText string

// readArguments reads arguments.txt: calls, a comma between those that take the
// same arguments, and the kinds of these; "CALL:ARCH,ARCH" where they differ.
func (w *vocabulary) readArguments(text string) {
	for row := range rows(text) {
		var args []kind
		for _, word := range row[1:] {
			args = append(args, w.readKind(word, 16))
		}
		names, columns, differ := strings.Cut(row[0], ":")
		for name := range strings.SplitSeq(names, ",") {
			c := w.calls[name]
			switch {
			case c == nil || !differ && c.args != nil:
				panic("arguments.txt: no system call, or twice: " + name)
			case differ:
				c.differOn(columns, args)
			default:
				c.args = args
			}
		}
	}
}

func (c *call) differOn(columns string, args []kind) {
	if c.differ == nil {
		c.differ = map[string][]kind{}
	}
	for column := range strings.SplitSeq(columns, ",") {
		c.differ[column] = args
	}
}

const (
	typeSyscall    auditbridge.RecordType = 1300
	typeSocketcall auditbridge.RecordType = 1304
)

// appendArgument appends what an argument of a system call means, from its own
// record, or from the one that unfolds those of socketcall.
func (in *Interpreter) appendArgument(dst []byte, e *auditbridge.Event, r *auditbridge.Record, f *auditbridge.Fields) ([]byte, bool) {
	i := int(f.Key[1] - '0')
	v, ok := number(f.Value, 16)
	args := recordArguments(r)
	if r.Type == typeSocketcall {
		args = socketcallArguments(e)
	}
	if !ok || i >= len(args) {
		return dst, false
	}
	k := args[i]
	switch k.how {
	case asCreation:
		if flags, ok := argument(r, i-1); !ok || flags&mayCreate == 0 {
			return dst, false
		}
		k.how = asPermissions
	case asChoice:
		chooser, ok := argument(r, k.by)
		if !ok {
			return dst, false
		}
		k = k.table.choices[uint32(chooser)]
	}
	return in.appendNumber(dst, e, r, k, v)
}

// mayCreate is O_CREAT and what O_TMPFILE has besides O_DIRECTORY: with neither
// the mode is never looked at.
const mayCreate = 0o100 | 0o20000000

// recordArguments are what the arguments of a record are.
func recordArguments(r *auditbridge.Record) []kind {
	c, a := recordCall(r)
	if c == nil {
		return nil
	}
	if args, ok := c.differ[a.calls]; ok {
		return args
	}
	return c.args
}

// recordCall is the system call a record names, by number or by name, and its
// architecture; nil when they are not known.
func recordCall(r *auditbridge.Record) (*call, *arch) {
	f := stamped(r)
	if !f.Find("arch") {
		return nil, nil
	}
	a := readArch(f.Value)
	nr, ok := f.Lookup("syscall")
	if !ok || a == nil {
		return nil, nil
	}
	return readCall(a, nr), a
}

// stamped scans what the kernel wrote. Its records of system calls have no msg=,
// so that nothing needs to be looked for behind it; arch and syscall stand first.
func stamped(r *auditbridge.Record) auditbridge.Fields {
	if 1300 <= r.Type && r.Type <= 1399 {
		return auditbridge.ScanFields(r.Line[r.Body:])
	}
	return r.Stamped()
}

// readCall reads syscall= as the kernel writes it, or as a name, which some
// programs put in its place.
func readCall(a *arch, v []byte) *call {
	switch n, ok := number(v, 10); {
	case !ok:
		return words().calls[string(v)]
	case n > math.MaxInt32:
		return nil
	default:
		return callOf(a, int(n))
	}
}

// argument reads an argument of the call that r tells of.
func argument(r *auditbridge.Record, i int) (uint64, bool) {
	v, ok := stamped(r).Lookup(argumentKeys[i])
	if !ok {
		return 0, false
	}
	return number(v, 16)
}

var argumentKeys = [...]string{"a0", "a1", "a2", "a3", "a4", "a5"}

// socketcallArguments are those of the call that the event's socketcall stands
// for.
func socketcallArguments(e *auditbridge.Event) []kind {
	r := syscallOf(e)
	if r == nil {
		return nil
	}
	which, ok := argument(r, 0)
	if !ok {
		return nil
	}
	c := words().calls[words().tables["socketcall"].lookup(which)]
	if c == nil {
		return nil
	}
	return c.args
}

func syscallOf(e *auditbridge.Event) *auditbridge.Record {
	for i := range e.Records {
		if e.Records[i].Type == typeSyscall {
			return &e.Records[i]
		}
	}
	return nil
}

// eventArch is the architecture that a record of an event speaks of.
func eventArch(e *auditbridge.Event, r *auditbridge.Record) *arch {
	if r.Type != typeSyscall {
		if r = syscallOf(e); r == nil {
			return nil
		}
	}
	v, _ := stamped(r).Lookup("arch")
	return readArch(v)
}

func appendArch(dst, v []byte) ([]byte, bool) {
	n, ok := number(v, 16)
	if !ok || n > 0xFFFFFFFF {
		return dst, false
	}
	name := ArchName(uint32(n))
	return append(dst, name...), name != ""
}

// appendSyscall appends the name of a call; of those that only stand for
// others, by their first argument, that too.
func appendSyscall(dst []byte, r *auditbridge.Record, v []byte) ([]byte, bool) {
	if _, ok := number(v, 10); !ok {
		return dst, false
	}
	c, _ := recordCall(r)
	if c == nil {
		return dst, false
	}
	dst = append(dst, c.name...)
	if c.name != "socketcall" && c.name != "ipc" {
		return dst, true
	}
	if which, ok := argument(r, 0); ok {
		if name := words().tables[c.name].lookup(which); name != "" {
			dst = append(append(append(dst, '('), name...), ')')
		}
	}
	return dst, true
}
