package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"auditbridge/auditbridge/interpret"
)

// Surroundings are what a check looks at beside the rules.
type Surroundings struct {
	Exists  func(path string) bool
	Mounts  func() (wanted, mounted []string) // of fstab, and those there are
	OwnDirs []string                          // what auditbridge itself reads and writes
}

// TheseSurroundings are this machine's.
func TheseSurroundings(ownDirs ...string) *Surroundings {
	return &Surroundings{
		Exists:  func(path string) bool { _, err := os.Lstat(path); return err == nil },
		Mounts:  mountPoints,
		OwnDirs: ownDirs,
	}
}

// Check warns of what a rule file probably does not mean, in the order of its
// lines.
func Check(host *Host, f *File, around *Surroundings) []Problem {
	d := f.Desire()
	c := &checker{host: host, around: around, d: d, found: d.Warnings}
	c.order(f)
	for i := range d.Rules {
		c.rule(i)
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int {
		if a.At.File != b.At.File {
			return 0
		}
		return a.At.Line - b.At.Line
	})
	return c.found
}

type checker struct {
	host   *Host
	around *Surroundings
	d      *Desired
	found  []Problem
}

func (c *checker) warn(where Position, hint, format string, args ...any) {
	c.found = append(c.found, Problem{At: where, What: fmt.Sprintf(format, args...), Hint: hint})
}

// order looks at the lines that are no rules.
func (c *checker) order(f *File) {
	rules, locks := 0, (*Statement)(nil)
	for i := range f.Statements {
		s := &f.Statements[i]
		if locks != nil {
			c.warn(s.At, "put -e 2 last", "auditctl cannot obey this line: the rules are locked at %s", locks.At)
			locks = nil
		}
		switch {
		case s.Verb == Add:
			rules++
		case s.Verb == Clear && s.Word == "" && rules > 0:
			c.warn(s.At, "put -D first", "deletes the %d %s above", rules, plural("rule", rules))
		case s.Verb == Set && s.Setting == Enabled && s.Value == locked:
			locks = s
		}
	}
}

func (c *checker) rule(i int) {
	r, from := &c.d.Rules[i].Rule, c.d.Rules[i].From
	c.shadowed(i)
	c.tooBroad(r, from)
	c.paths(r, from)
	c.calls(r, from)
	c.twinless(i)
	if r.List == ListTask && r.Action == Never && len(r.Fields) == 0 {
		c.warn(from, "remove it where system calls or files are to be audited", "no process that is started from now on has its system calls or files audited")
	}
}

// shadowed finds the rule that matches, before this one, all that this one does.
func (c *checker) shadowed(i int) {
	r, from := &c.d.Rules[i].Rule, c.d.Rules[i].From
	for j := range i {
		earlier := &c.d.Rules[j].Rule
		if earlier.List != r.List || !earlier.covers(r) {
			continue
		}
		why := "has its events first, under its own key"
		switch {
		case earlier.Action == Never && r.Action == Never, slices.Equal(earlier.Keys(), r.Keys()) && earlier.Action == r.Action:
			why = "does the same already"
		case earlier.Action == Never:
			why = "keeps them from being audited"
		case r.Action == Never:
			why = "audits them"
		}
		c.warn(from, "the first rule that matches decides: put the more special one first, or remove one",
			"never matches: the rule at %s %s", c.d.Rules[j].From, why)
		return
	}
}

// covers tells whether r matches all that other matches, as far as can be told
// from equal comparisons.
func (r *Rule) covers(other *Rule) bool {
	if r.List.takesCalls() && !other.Calls.within(r.Calls) {
		return false
	}
	for _, f := range r.Fields {
		if f.ID != fieldKey && !slices.ContainsFunc(other.Fields, f.impliedBy) {
			return false
		}
	}
	return true
}

// impliedBy tells whether f holds whenever other does.
func (f Field) impliedBy(other Field) bool {
	switch {
	case f == other:
		return true
	case f.ID == fieldDir && (other.ID == fieldDir || other.ID == fieldPath) && f.Op == Equal && other.Op == Equal:
		return under(other.Text, f.Text)
	case f.ID != other.ID || f.Op != other.Op:
		return false
	case f.ID == fieldPerm:
		return other.Value&^f.Value == 0
	case f.Op == greaterOrEqual && f.info() != nil && f.info().kind == "user":
		return other.Value >= f.Value
	}
	return false
}

// under tells whether a path is a directory, or in it.
func under(path, dir string) bool {
	path, dir = filepath.Clean(path), filepath.Clean(dir)
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// busy are calls that every process makes all the time, and run and ship too.
var busy = []string{"read", "write", "recvmsg", "sendmsg", "recvfrom", "sendto", "futex", "epoll_wait", "poll", "fsync", "fdatasync", "mmap", "close"}

func (c *checker) tooBroad(r *Rule, from Position) {
	if r.List != ListExit || r.Action != Always {
		return
	}
	for _, f := range r.Fields {
		switch {
		case f.ID == fieldPath, f.ID == fieldDir, f.ID == fieldExe, f.ID == fieldPID, f.ID == fieldPPID, f.ID == fieldPerm,
			f.ID == fieldArch && f.Op == NotEqual, fields[f.ID] != nil && strings.HasPrefix(fields[f.ID].name, "a") && f.ID >= 200,
			f.ID == fieldUID, f.ID == fieldAUID, f.ID == fieldCompare, f.ID == 103, f.ID == 104, f.ID == 113:
			return // something narrows it
		}
	}
	arch := c.host.Arch
	if f, ok := r.find(fieldArch); ok {
		if arch = f.Value; arch != c.host.Arch {
			return // auditbridge itself is not of that kind
		}
	}
	for _, name := range busy {
		if nr, ok := interpret.SyscallNumber(arch, name); ok && r.Calls.has(nr) {
			c.warn(from, "narrow it by auid, exe or path", "audits every %s of every process, auditbridge's own too: each record then makes more", name)
			return
		}
	}
}

func (c *checker) paths(r *Rule, from Position) {
	for _, f := range r.Fields {
		if f.info() == nil || f.info().kind != "path" {
			continue
		}
		c.spelling(f.Text, from)
		switch {
		case c.unmounted(f.Text) != "":
			c.warn(from, "load the rules again once it is mounted", "%s is on %s, which is not mounted: the rule watches what lies below", f.Text, c.unmounted(f.Text))
		case f.ID == fieldDir && !c.around.Exists(f.Text):
			c.warn(from, "make the directory, or put -i above so that the line is passed over", "the directory %s does not exist: the kernel refuses the rule", f.Text)
		case !c.around.Exists(filepath.Dir(f.Text)):
			c.warn(from, "make the directory, or put -i above so that the line is passed over", "the directory of %s does not exist: the kernel refuses the rule", f.Text)
		case f.ID == fieldExe && !c.around.Exists(f.Text):
			c.warn(from, "", "there is no program %s", f.Text)
		}
		c.own(r, f, from)
	}
}

// spelling finds what auditctl, too, warns of: the kernel knows no patterns, and looks
// a path up once.
func (c *checker) spelling(path string, from Position) {
	if strings.ContainsAny(path, "*?") {
		c.warn(from, "watch the directory, or write a rule for each", "%s is one path: * and ? stand for themselves", path)
	}
	names := strings.Split(path, "/")
	if slices.Contains(names, "..") || slices.Contains(names, ".") {
		c.warn(from, "write it as it is: the kernel looks it up once, when the rule is loaded", "the path %s has a name .. or . in it", path)
	}
}

// own finds rules that audit what auditbridge does to its own files.
func (c *checker) own(r *Rule, f Field, from Position) {
	if f.ID == fieldExe || r.Action != Always {
		return
	}
	if p, ok := r.find(fieldPerm); ok && p.Value&6 == 0 { // neither read nor written
		return
	}
	if exe, ok := r.find(fieldExe); ok && exe.Op == NotEqual && strings.HasSuffix(exe.Text, "/auditbridge") {
		return
	}
	for _, dir := range c.around.OwnDirs {
		if under(dir, f.Text) && f.ID == fieldDir || under(f.Text, dir) {
			c.warn(from, "add -F exe!=/usr/bin/auditbridge, as an -a rule", "audits what auditbridge itself reads and writes in %s: each record then makes more", dir)
			return
		}
	}
}

func (c *checker) unmounted(path string) string {
	wanted, mounted := c.around.Mounts()
	best := ""
	for _, m := range wanted {
		if under(path, m) && len(m) > len(best) && !slices.Contains(mounted, m) {
			best = m
		}
	}
	return best
}

func (c *checker) calls(r *Rule, from Position) {
	if r.List != ListExit || r.Calls.all() {
		return
	}
	if r.Calls == (Calls{}) {
		c.warn(from, "name a system call, or leave -S out for all", "the rule is for no system call: it never matches")
	}
	arch := c.host.Arch
	if f, ok := r.find(fieldArch); ok {
		if f.Op != Equal {
			return
		}
		arch = f.Value
	}
	for nr := range maskWords*32 - 16 {
		if r.Calls.has(nr) && interpret.SyscallName(arch, nr) == "" {
			c.warn(from, "", "%s has no system call %d", interpret.ArchName(arch), nr)
		}
	}
	_, given := r.find(fieldArch)
	if b32, ok := twin(c.host.Arch); ok && !given && r.List == ListExit {
		for nr := range maskWords*32 - 16 {
			if r.Calls.has(nr) && interpret.SyscallName(arch, nr) != interpret.SyscallName(b32, nr) {
				c.warn(from, "write -F arch=b64, and the same with b32", "without arch, system call %d is %s of one kind of program and %s of the other",
					nr, nameOr(interpret.SyscallName(arch, nr)), nameOr(interpret.SyscallName(b32, nr)))
				return
			}
		}
	}
}

func nameOr(name string) string {
	if name == "" {
		return "nothing"
	}
	return name
}

// twinless finds rules for programs of 64 bits that have none for those of 32,
// which the same kernel runs.
func (c *checker) twinless(i int) {
	r, from := &c.d.Rules[i].Rule, c.d.Rules[i].From
	arch, ok := r.find(fieldArch)
	b32, has := twin(c.host.Arch)
	if !ok || !has || arch.Value != c.host.Arch || arch.Op != Equal || r.Action != Always {
		return
	}
	for j := range c.d.Rules {
		other := &c.d.Rules[j].Rule
		f, ok := other.find(fieldArch)
		if !ok || other.List != r.List || other.Action != Always || other.Fields == nil {
			continue
		}
		narrow := f.Op == Equal && f.Value == b32
		if narrow && sameBut(r, other, fieldArch) || (narrow || f.Op == NotEqual && f.Value == c.host.Arch) && other.Calls.all() && len(other.Fields) <= 2 {
			return
		}
	}
	c.warn(from, "write the same with -F arch=b32, or audit every such program: -a always,exit -F arch=b32 -S all -F key=32bit-abi",
		"a program of 32 bits does the same unseen: there is no rule with arch=b32")
}

// sameBut tells whether two rules compare the same but for one field.
func sameBut(a, b *Rule, id FieldID) bool {
	without := func(r *Rule) identity {
		s := Rule{}
		for _, f := range r.Fields {
			if f.ID != id {
				s.Fields = append(s.Fields, f)
			}
		}
		return s.identity()
	}
	return without(a) == without(b)
}
