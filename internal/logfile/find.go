package logfile

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

var errNoFile = errors.New("a pipe, a socket or a device among the logs of a directory; name it to have it read")

var errNoLogs = errors.New("a directory without audit logs: no audit.log, no journal, nothing called *audit*.log")

// Find turns what a user names into inputs in the order to read them: "-" is
// stdin, a directory all the logs in it, and files of one rotated log (audit.log,
// audit.log.1 …) come oldest first, whatever order a shell put them in. A file
// that is found twice is read once; what only looks like a log is LeftOut. Regular files are opened at once, so that
// what is rotated away meanwhile is read all the same. What cannot be read is a
// *Problem; the rest is there to read.
func Find(paths []string, stdin io.Reader) (inputs []*Input, problems []error) {
	f := finder{seen: map[fileID]bool{}}
	for _, g := range f.group(paths) {
		if g.stdin {
			f.inputs = append(f.inputs, &Input{Name: "standard input", from: stdin})
			continue
		}
		slices.SortStableFunc(g.names, older)
		for _, n := range g.names {
			f.add(n.path, g.found)
		}
	}
	return f.inputs, f.problems
}

// group is the files of one log, or standard input.
type group struct {
	stdin bool
	found bool // in a directory, not named
	names []name
}

type finder struct {
	inputs   []*Input
	problems []error
	seen     map[fileID]bool
}

type fileID struct{ device, inode uint64 }

// group puts files of one log together, where its first one stood.
func (f *finder) group(paths []string) (groups []group) {
	place := map[string]int{}
	for _, path := range paths {
		if path == "-" {
			groups = append(groups, group{stdin: true})
			continue
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			for _, g := range f.directory(path) {
				g.found = true
				groups = append(groups, g)
			}
			continue
		}
		n := parseName(path)
		i, ok := place[n.log]
		if !ok {
			i = len(groups)
			place[n.log] = i
			groups = append(groups, group{})
		}
		groups[i].names = append(groups[i].names, n)
	}
	return groups
}

// directory returns the logs of a directory: audit.log and a journal's segments
// where they are, else every *audit*.log, else the journal that lies in it by default.
func (f *finder) directory(dir string) []group {
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.problems = append(f.problems, problemOf(dir, err))
		return nil
	}
	var audit, segments, others []name
	var strangers []string
	inside := false
	for _, entry := range entries {
		n := parseName(filepath.Join(dir, entry.Name()))
		switch {
		case entry.IsDir():
			inside = inside || entry.Name() == "auditbridge"
		case n.segment > 0:
			segments = append(segments, n)
		case n.base == "audit.log":
			audit = append(audit, n)
		case filepath.Ext(n.base) == ".log" && strings.Contains(n.base, "audit"):
			others = append(others, n)
		case strings.HasPrefix(n.base, "audit.log"):
			strangers = append(strangers, entry.Name())
		}
	}
	if len(strangers) > 0 {
		f.problems = append(f.problems, &LeftOut{dir, strangers})
	}
	if len(segments) > 0 { // links that a journal keeps for ausearch
		audit = slices.DeleteFunc(audit, func(n name) bool { return isLink(n.path) })
	}
	groups := []group{{names: dropCopies(audit)}, {names: segments}}
	if len(audit)+len(segments) > 0 {
		return groups
	}
	if len(others) > 0 {
		slices.SortStableFunc(others, func(a, b name) int { return cmp.Or(cmp.Compare(a.base, b.base), older(a, b)) })
		for len(others) > 0 {
			end := slices.IndexFunc(others, func(n name) bool { return n.base != others[0].base })
			if end < 0 {
				end = len(others)
			}
			groups = append(groups, group{names: dropCopies(others[:end])})
			others = others[end:]
		}
		return groups
	}
	if inside {
		return f.directory(filepath.Join(dir, "auditbridge"))
	}
	f.problems = append(f.problems, problemOf(dir, errNoLogs))
	return nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}

// dropCopies leaves out a compressed file that lies beside the file itself: its
// compression is under way.
func dropCopies(names []name) []name {
	return slices.DeleteFunc(slices.Clone(names), func(n name) bool {
		return n.compressed && slices.ContainsFunc(names, func(other name) bool { return !other.compressed && older(n, other) == 0 })
	})
}

// add opens a file unless it was found before. What is no file may never end, or
// never begin, so it has to be named.
func (f *finder) add(path string, found bool) {
	info, err := os.Stat(path)
	if err != nil {
		f.problems = append(f.problems, problemOf(path, err))
		return
	}
	if found && !info.Mode().IsRegular() {
		f.problems = append(f.problems, problemOf(path, errNoFile))
		return
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		id := fileID{uint64(s.Dev), s.Ino}
		if f.seen[id] {
			return
		}
		f.seen[id] = true
	}
	in := &Input{Name: path}
	if info.Mode().IsRegular() {
		in.Size = info.Size()
		in.file, err = os.Open(path)
		if err != nil && !errors.Is(err, syscall.EMFILE) { // too many are opened one by one
			f.problems = append(f.problems, problemOf(path, err))
			return
		}
	}
	f.inputs = append(f.inputs, in)
}
