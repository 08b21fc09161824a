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

// excluded says that the rules leave t out.
func excluded(rules []Exclusion, root string, t *Terminal) bool {
	name := strings.TrimPrefix(t.Path, root+"/dev/")
	for _, r := range rules {
		if r.key == "terminal" && r.matches(name) {
			return true
		}
	}
	for _, p := range t.People {
		if !anyMatches(rules, p) {
			return false
		}
	}
	return len(t.People) > 0
}

func anyMatches(rules []Exclusion, p Person) bool {
	number := strconv.FormatUint(uint64(p.UID), 10)
	for _, r := range rules {
		switch r.key {
		case "command":
			if p.Command != "" && r.matches(p.Command) {
				return true
			}
		case "user":
			u, err := user.LookupId(number)
			if r.matches(number) || err == nil && r.matches(u.Username) {
				return true
			}
		}
	}
	return false
}
