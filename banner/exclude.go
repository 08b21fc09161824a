package banner

import (
	"fmt"
	"os/user"
	"path"
	"strconv"
	"strings"
)

// Exclusion is a rule for terminals that no person reads, because a program drives
// them: KEY=PATTERN with a shell's pattern.
//
//	terminal=ttyS1       the terminal, without /dev/
//	user=ansible         the name or number of whoever logged in
//	command=expect       what a process there calls itself
//
// A terminal is left out when the rules name it, or everybody on it.
type Exclusion struct{ key, pattern string }

// ParseExclusion reads one rule.
func ParseExclusion(text string) (Exclusion, error) {
	key, pattern, _ := strings.Cut(text, "=")
	switch key {
	case "terminal", "user", "command":
	default:
		return Exclusion{}, fmt.Errorf("%q is no rule: it begins with terminal=, user= or command=", text)
	}
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return Exclusion{}, fmt.Errorf("%q is no rule: what follows %s= is not a pattern", text, key)
	}
	return Exclusion{key, pattern}, nil
}

func (e Exclusion) matches(text string) bool {
	ok, err := path.Match(e.pattern, text)
	return ok && err == nil
}

// exclusion decides which terminals the rules leave out, in one turn: whose name a
// uid is it looks up once.
type exclusion struct {
	rules []Exclusion
	root  string
	names map[uint32]string
}

func (x *exclusion) excludes(t *Terminal) bool {
	name := strings.TrimPrefix(t.Path, x.root+"/dev/")
	for _, r := range x.rules {
		if r.key == "terminal" && r.matches(name) {
			return true
		}
	}
	for _, p := range t.People {
		if !x.anyMatches(p) {
			return false
		}
	}
	return len(t.People) > 0
}

func (x *exclusion) anyMatches(p Person) bool {
	for _, r := range x.rules {
		switch r.key {
		case "command":
			if p.Command != "" && r.matches(p.Command) {
				return true
			}
		case "user":
			if r.matches(strconv.FormatUint(uint64(p.UID), 10)) || r.matches(x.nameOf(p.UID)) {
				return true
			}
		}
	}
	return false
}

// nameOf is whose a uid is, the uid itself where that is not known.
func (x *exclusion) nameOf(uid uint32) string {
	name, known := x.names[uid]
	if known {
		return name
	}
	name = strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	if x.names == nil {
		x.names = map[uint32]string{}
	}
	x.names[uid] = name
	return name
}
