package interpret

import (
	_ "embed"
	"fmt"
	"iter"
	"slices"
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
// architectures that the last row beginning with "call" names.
func readSyscalls(texts ...string) *callTable {
	t := &callTable{byName: map[string]*call{}, columns: map[string]*column{}}
	cells := map[string][]cell{}
	var columns []string
	for row := range rows(texts...) {
		if row[0] == "call" {
			columns = row[1:]
			continue
		}
		c := t.byName[row[0]]
		if c == nil {
			c = &call{name: row[0]}
			t.byName[c.name] = c
		}
		for i, word := range row[1:] {
			if word != "-" {
				cells[columns[i]] = append(cells[columns[i]], cell{c, word})
			}
		}
	}
	for column, from := range inherited {
		cells[column] = slices.Concat(cells[from], cells[column])
	}
	for name, has := range cells {
		t.columns[name] = newColumn(has)
	}
	return t
}

// A cell is a call and its number in one column.
type cell struct {
	call   *call
	number string
}

func newColumn(cells []cell) *column {
	byNumber := sync.OnceValue(func() map[int]*call {
		numbers := make(map[int]*call, len(cells))
		for _, c := range cells {
			nr, err := strconv.Atoi(c.number)
			if err != nil {
				panic(fmt.Sprintf("syscalls: %s: %v", c.call.name, err))
			}
			numbers[nr] = c.call
		}
		return numbers
	})
	return &column{byNumber: byNumber, byName: sync.OnceValue(func() map[string]int {
		names := make(map[string]int, len(cells))
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
