package accounts

import (
	"bufio"
	"bytes"
	"io"
	"strconv"

	"auditbridge/internal/terminal"
)

// Table is who stands behind each id, as one file has it. It is not changed
// once it has been read.
type Table struct {
	Names   map[uint32]string
	Skipped int // lines that name nobody
	Left    int // entries beyond what a table holds
}

const (
	// maxEntries bounds a table, and with it what a broken file can cost.
	maxEntries = 1 << 18
	// maxName is the longest name that is one: LOGIN_NAME_MAX of Linux.
	maxName = 256
)

// database is one of the two that are asked, by getent's name for it, with how
// many of its columns libc needs to take a line for an entry.
type database struct {
	name    string
	columns int
}

var (
	passwd = database{"passwd", 4} // name:password:uid:gid
	group  = database{"group", 3}  // name:password:gid
)

// read reads the file's text by libc's rules (glibc, nss/nss_files and
// nss/getXXent): of several entries with one id the first counts, comments and
// the "+" and "-" entries of NIS name nobody. Lines may have any length; a
// group's members are nobody's concern here.
func (d database) read(from io.Reader) (*Table, error) {
	t := &Table{Names: map[uint32]string{}}
	lines := bufio.NewReaderSize(from, 64<<10)
	for rest := false; ; { // of a line longer than the buffer
		line, err := lines.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull && err != io.EOF {
			return nil, err
		}
		if !rest {
			t.add(d, line)
		}
		if rest = err == bufio.ErrBufferFull; err == io.EOF {
			return t, nil
		}
	}
}

func (t *Table) add(d database, line []byte) {
	line = bytes.TrimLeft(bytes.TrimSuffix(line, []byte{'\n'}), " \t")
	if len(line) == 0 || line[0] == '#' {
		return
	}
	name, id, ok := d.entry(line)
	if !ok {
		t.Skipped++
		return
	}
	if _, taken := t.Names[id]; taken {
		return
	}
	if len(t.Names) == maxEntries {
		t.Left++
		return
	}
	t.Names[id] = name
}

// entry reads one line. The number that was never set is nobody's.
func (d database) entry(line []byte) (name string, id uint32, ok bool) {
	var column [4][]byte
	for i := range d.columns {
		var more bool
		if column[i], line, more = bytes.Cut(line, []byte{':'}); !more && i < d.columns-1 {
			return "", 0, false
		}
	}
	if len(column[0]) == 0 || column[0][0] == '+' || column[0][0] == '-' {
		return "", 0, false
	}
	id, ok = number(column[2])
	if d.columns > 3 && ok {
		_, ok = number(column[3])
	}
	name = terminal.Safe(string(column[0]))
	return name, id, ok && id != unset && len(name) <= maxName
}

// unset is the kernel's value for an id that was never set.
const unset = 1<<32 - 1

func number(digits []byte) (uint32, bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(digits), 10, 32)
	return uint32(n), err == nil
}
