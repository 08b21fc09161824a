package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Read reads rule files and directories of them, one after the other, as
// augenrules puts rules.d together: of a directory, the files that end in
// .rules by their names, numbers in them counting as numbers. In a directory,
// the last -D, -b and -f come first, and the last -e comes last, whichever file
// has them.
//
// An error is Problems when the files were read, and not understood. What was
// understood is returned with it.
func Read(host *Host, paths ...string) (*File, error) {
	all := &File{Name: strings.Join(paths, " ")}
	var problems Problems
	for _, path := range paths {
		files, err := filesAt(path)
		if err != nil {
			return nil, err
		}
		parts := &File{}
		for _, name := range files {
			err := parts.read(name, host)
			var wrong Problems
			if errors.As(err, &wrong) {
				problems = append(problems, wrong...)
			} else if err != nil {
				return nil, err
			}
		}
		if len(files) != 1 || files[0] != path {
			parts.Statements = gather(parts.Statements)
		}
		all.Statements = joined(all.Statements, parts.Statements)
		all.Warnings = append(all.Warnings, parts.Warnings...)
	}
	if len(problems) > 0 {
		return all, problems
	}
	return all, nil
}

func (f *File) read(name string, host *Host) error {
	text, err := ReadText(name)
	if c := (*complaint)(nil); errors.As(err, &c) {
		return Problems{at(Position{File: name}, err)}
	}
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	part, err := Parse(name, string(text), host)
	f.Statements = joined(f.Statements, part.Statements)
	f.Warnings = append(f.Warnings, part.Warnings...)
	return err
}

// joined is append, which copies nothing of the first file: mostly there is one.
func joined(a, b []Statement) []Statement {
	if len(a) == 0 {
		return b
	}
	return append(a, b...)
}

// mostText is how long a rule file may be. The kernel would not hold the rules of
// a longer one, and what a link leads to may have no end.
const mostText = 16 << 20

// ReadText reads a file of which auditctl, too, would believe that it is the
// administrator's (auditctl.c, fileopt). A FIFO is not waited for.
func ReadText(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var is unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &is); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	switch {
	case is.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, complain("it is no regular file")
	case is.Uid != 0 && int(is.Uid) != os.Geteuid():
		return nil, complain("it belongs to user %d, who could change the rules", is.Uid).advise("chown root %s", name)
	case is.Mode&unix.S_IWOTH != 0:
		return nil, complain("everybody may write it").advise("chmod o-w %s", name)
	case is.Size > mostText:
		return nil, complain("%d bytes are no rule file: %d are the most", is.Size, mostText)
	}
	text := bytes.NewBuffer(make([]byte, 0, is.Size+bytes.MinRead))
	_, err = text.ReadFrom(io.LimitReader(f, mostText))
	return text.Bytes(), err
}

// filesAt is path itself, or the rule files in it.
func filesAt(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		if info, failed := os.Stat(path); failed == nil && !info.IsDir() {
			return []string{path}, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, complain("there are no rules at %s", path).advise("`auditbridge rules add base` makes a first file; `--path` names another place")
		}
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".rules") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, e.Name())
		}
	}
	slices.SortFunc(files, compareVersions)
	for i := range files {
		files[i] = filepath.Join(path, files[i])
	}
	return files, nil
}

// gather moves what augenrules moves.
func gather(statements []Statement) []Statement {
	var first [3]*Statement // -D, -b, -f
	var last *Statement     // -e
	var rest []Statement
	for i := range statements {
		s := &statements[i]
		switch {
		case s.Verb == Clear && s.Word == "":
			first[0] = s
		case s.Verb == Set && s.Setting == BacklogLimit:
			first[1] = s
		case s.Verb == Set && s.Setting == Failure:
			first[2] = s
		case s.Verb == Set && s.Setting == Enabled:
			last = s
		default:
			rest = append(rest, *s)
		}
	}
	var gathered []Statement
	for _, s := range first {
		if s != nil {
			gathered = append(gathered, *s)
		}
	}
	gathered = append(gathered, rest...)
	if last != nil {
		gathered = append(gathered, *last)
	}
	return gathered
}

// compareVersions orders names as `ls -v` does (gnulib, filevercmp): runs of
// digits by what they count, an ending such as .rules only when all else is
// equal; letters before other characters, and ~ before everything.
func compareVersions(a, b string) int {
	if c := compareRuns(stem(a), stem(b)); c != 0 {
		return c
	}
	if c := compareRuns(a, b); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// stem is a name without its endings: a dot, a letter, then letters and digits.
func stem(name string) string {
	for {
		dot := strings.LastIndexByte(name, '.')
		if dot <= 0 || dot == len(name)-1 || !isLetter(name[dot+1]) || strings.ContainsFunc(name[dot+1:], func(c rune) bool {
			return c > 127 || !isLetter(byte(c)) && !isDigit(byte(c))
		}) {
			return name
		}
		name = name[:dot]
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '~' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func compareRuns(a, b string) int {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		for i < len(a) && !isDigit(a[i]) || j < len(b) && !isDigit(b[j]) {
			if c := weight(a, i) - weight(b, j); c != 0 {
				return c
			}
			i, j = i+1, j+1
		}
		x, y := i, j
		for i < len(a) && isDigit(a[i]) {
			i++
		}
		for j < len(b) && isDigit(b[j]) {
			j++
		}
		one, other := strings.TrimLeft(a[min(x, len(a)):i], "0"), strings.TrimLeft(b[min(y, len(b)):j], "0")
		if len(one) != len(other) {
			return len(one) - len(other)
		}
		if c := strings.Compare(one, other); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders single characters; a digit, and the end, weigh nothing.
func weight(name string, i int) int {
	switch {
	case i >= len(name) || isDigit(name[i]):
		return 0
	case name[i] == '~':
		return -1
	case isLetter(name[i]):
		return int(name[i])
	}
	return int(name[i]) + 256
}
