package interpret

import (
	_ "embed"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
)

// A call is a system call, the same on every architecture that has it.
type call struct {
	name   string
	args   []kind
	differ map[string][]kind // by the column of an architecture where they are others
}

var (
	//go:embed syscalls.txt
	syscallsText string
	//go:embed syscalls_more.txt
	moreSyscallsText string
)

// calls is read when a call is first asked for: most commands ask for none.
var calls = sync.OnceValue(func() *callTable { return readSyscalls(syscallsText, moreSyscallsText) })

// callTable has every call by its name, and those of each column.
type callTable struct {
	byName  map[string]*call
	columns map[string]*column
}

// A column is the calls of an architecture, both ways; each is put together when
// it is first asked for.
type column struct {
	byNumber func() map[int]*call
	byName   func() map[string]int
}

// in is a column, empty when there is none of that name.
func (t *callTable) in(name string) *column {
	if c := t.columns[name]; c != nil {
		return c
	}
	return noCalls
}

var noCalls = newColumn(nil)

// x32Bit is set in the numbers of the x32 calls of x86_64
// (arch/x86/include/uapi/asm/unistd.h, __X32_SYSCALL_BIT).
const x32Bit = 0x40000000

// SyscallName names call nr of an architecture, "" when it is not known.
func SyscallName(arch uint32, nr int) string {
	if c := callOf(archOf(arch), nr); c != nil {
		return c.name
	}
	return ""
}

// SyscallNumber is the inverse of SyscallName; the lowest, where a call has two.
func SyscallNumber(arch uint32, name string) (nr int, ok bool) {
	if a := archOf(arch); a != nil {
		nr, ok = calls().in(a.calls).byName()[name]
	}
	return nr, ok
}

// Syscalls yields the names of the calls an architecture has, in no order.
func Syscalls(arch uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		a := archOf(arch)
		if a == nil {
			return
		}
		for _, c := range calls().in(a.calls).byNumber() {
			if !yield(c.name) {
				return
			}
		}
	}
}

func callOf(a *arch, nr int) *call {
	if a == nil {
		return nil
	}
	if nr&x32Bit != 0 && a.calls == "x86_64" {
		nr &^= x32Bit
		if c := calls().in("x32").byNumber()[nr]; c != nil || nr >= 512 {
			return c
		}
	}
	return calls().in(a.calls).byNumber()[nr]
}

// inherited are the columns that hold only what differs from another one.
var inherited = map[string]string{"s390": "s390x"}

// readSyscalls reads tables whose rows are a call's name and its numbers on the
// architectures that the last row beginning with "call" names. A column's numbers are
// read when they are first asked for: most commands ask for one column's.
func readSyscalls(texts ...string) *callTable {
	t := &callTable{byName: make(map[string]*call, 600), columns: map[string]*column{}}
	places := map[string]map[string]int{} // of a column in the rows below a heading
	var rows []callRow
	var heading string
	for line := range eachLine(texts) {
		line, _, _ = strings.Cut(line, "#")
		name, numbers, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "":
			continue
		case "call":
			heading, places[numbers] = numbers, map[string]int{}
			for i, column := range strings.Fields(numbers) {
				places[heading][column] = i
				t.columns[column] = nil
			}
			continue
		}
		c := t.byName[name]
		if c == nil {
			c = &call{name: name}
			t.byName[name] = c
		}
		rows = append(rows, callRow{c, places[heading], numbers})
	}
	for name := range t.columns {
		t.columns[name] = newColumn(rows, inherited[name], name)
	}
	return t
}

func eachLine(texts []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, text := range texts {
			for line := range strings.Lines(text) {
				if !yield(line) {
					return
				}
			}
		}
	}
}

// A callRow is a call and its numbers, in the columns of the heading above.
type callRow struct {
	call    *call
	place   map[string]int
	numbers string
}

// number is the call's in a column.
func (r *callRow) number(column string) (nr int, ok bool) {
	place, ok := r.place[column]
	if !ok {
		return 0, false
	}
	numbers := r.numbers
	for range place {
		_, numbers, _ = strings.Cut(numbers, " ")
	}
	word, _, _ := strings.Cut(numbers, " ")
	if word == "-" || word == "" {
		return 0, false
	}
	nr, err := strconv.Atoi(word)
	if err != nil {
		panic(fmt.Sprintf("syscalls: %s: %v", r.call.name, err))
	}
	return nr, true
}

// newColumn reads columns of that name, what a later one says before the others.
func newColumn(rows []callRow, columns ...string) *column {
	byNumber := sync.OnceValue(func() map[int]*call {
		numbers := make(map[int]*call, len(rows))
		for _, column := range columns {
			for i := range rows {
				if nr, ok := rows[i].number(column); ok {
					numbers[nr] = rows[i].call
				}
			}
		}
		return numbers
	})
	return &column{byNumber: byNumber, byName: sync.OnceValue(func() map[string]int {
		names := make(map[string]int, len(byNumber()))
		for nr, c := range byNumber() {
			if other, two := names[c.name]; !two || nr < other {
				names[c.name] = nr
			}
		}
		return names
	})}
}

// rows yields the words of each line of texts, comments and empty lines left out.
func rows(texts ...string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for _, text := range texts {
			for line := range strings.Lines(text) {
				line, _, _ = strings.Cut(line, "#")
				if words := strings.Fields(line); len(words) > 0 && !yield(words) {
					return
				}
			}
		}
	}
}
