package auditbridge

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// errno.txt is written by `go generate` in the folder interpret.
//
//go:embed errno.txt
var errnoText string

// An errno is one of Linux's errors, as all architectures whose system calls
// are known here number them.
type errno struct {
	name string
	text string // what it means; "" for those that no program sees
}

var errnos = sync.OnceValue(func() []errno { return readErrnos(errnoText) })

// Errno names error n of Linux, "EACCES", and says what it means, "Permission
// denied". Both are "" when it is not known, the second one too for the
// kernel's own errors, which audit shows although no program sees them.
func Errno(n int) (name, text string) {
	all := errnos()
	if n < 0 || n >= len(all) {
		return "", ""
	}
	return all[n].name, all[n].text
}

// ErrnoNamed is the inverse of Errno's name; auditctl's spelling of those with
// two names counts too.
func ErrnoNamed(name string) (n int, ok bool) {
	switch name {
	case "":
		return 0, false
	case "EWOULDBLOCK":
		name = "EAGAIN"
	case "EDEADLOCK":
		name = "EDEADLK"
	case "ENOTSUP":
		name = "EOPNOTSUPP"
	}
	for n, e := range errnos() {
		if e.name == name {
			return n, true
		}
	}
	return 0, false
}

// ErrnoNames yields the names of all errors that have one.
func ErrnoNames(yield func(string) bool) {
	for _, e := range errnos() {
		if e.name != "" && !yield(e.name) {
			return
		}
	}
}

func readErrnos(text string) []errno {
	table := make([]errno, 532)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			panic("errno.txt: " + line)
		}
		table[n].name, table[n].text, _ = strings.Cut(rest, " ")
	}
	for n, name := range kernelErrnos {
		table[n].name = name
	}
	return table
}

// kernelErrnos are the kernel's own (include/linux/errno.h).
var kernelErrnos = map[int]string{
	512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 515: "ENOIOCTLCMD", 516: "ERESTART_RESTARTBLOCK",
	517: "EPROBE_DEFER", 518: "EOPENSTALE", 519: "ENOPARAM", 521: "EBADHANDLE", 522: "ENOTSYNC", 523: "EBADCOOKIE",
	524: "ENOTSUPP", 525: "ETOOSMALL", 526: "ESERVERFAULT", 527: "EBADTYPE", 528: "EJUKEBOX", 529: "EIOCBQUEUED",
	530: "ERECALLCONFLICT", 531: "ENOGRACE",
}
