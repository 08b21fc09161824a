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

var calls, callNumbers = readSyscalls(syscallsText, moreSyscallsText)

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
		nr, ok = numbersByName()[a.calls][name]
	}
	return nr, ok
}

// numbersByName are the numbers of the calls of each column. Only rules ask for
// them: a log is read without.
var numbersByName = sync.OnceValue(func() map[string]map[string]int {
	all := map[string]map[string]int{}
	for column, numbers := range callNumbers {
		byName := make(map[string]int, len(numbers))
		for nr, c := range numbers {
			if other, two := byName[c.name]; !two || nr < other {
				byName[c.name] = nr
			}
		}
		all[column] = byName
	}
	return all
})

// Syscalls yields the names of the calls an architecture has, in no order.
func Syscalls(arch uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		a := archOf(arch)
		if a == nil {
			return
		}
		for _, c := range callNumbers[a.calls] {
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
		if c := callNumbers["x32"][nr]; c != nil || nr >= 512 {
			return c
		}
	}
	if c := callNumbers[a.calls][nr]; c != nil {
		return c
	}
	return nil
}

// inherited are the columns that hold only what differs from another one.
var inherited = map[string]string{"s390": "s390x"}

// readSyscalls reads tables whose rows are a call's name and its numbers on the
// architectures that the last row beginning with "call" names.
func readSyscalls(texts ...string) (byName map[string]*call, byNumber map[string]map[int]*call) {
	byName, byNumber = map[string]*call{}, map[string]map[int]*call{}
	var columns []string
	for row := range rows(texts...) {
		if row[0] == "call" {
			columns = row[1:]
			for _, column := range columns {
				if byNumber[column] == nil {
					byNumber[column] = map[int]*call{}
				}
			}
			continue
		}
		c := byName[row[0]]
		if c == nil {
			c = &call{name: row[0]}
			byName[c.name] = c
		}
		for i, word := range row[1:] {
			if word == "-" {
				continue
			}
			nr, err := strconv.Atoi(word)
			if err != nil {
				panic(fmt.Sprintf("syscalls: %v: %v", row, err))
			}
			byNumber[columns[i]][nr] = c
		}
	}
	for column, from := range inherited {
		for nr, c := range byNumber[from] {
			if _, own := byNumber[column][nr]; !own {
				byNumber[column][nr] = c
			}
		}
	}
	return byName, byNumber
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
