package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Difference is how what the kernel has differs from what is desired.
type Difference struct {
	Lines    []DiffLine        `json:"lines"` // all rules of both, in their order
	Settings []SettingMismatch `json:"settings"`
}

// DiffLine is one rule. A rule at another place is there twice: removed and added,
// with Moved.
type DiffLine struct {
	Sign  string `json:"sign"` // " " in both, "-" only loaded, "+" only desired
	Moved bool   `json:"moved,omitempty"`
	Rule  string `json:"rule"` // as auditctl -l shows it
	From  string `json:"from,omitempty"`
}

// SettingMismatch is a setting with another value than is desired.
type SettingMismatch struct {
	Name    string `json:"name"`
	Loaded  uint32 `json:"loaded"`
	Desired uint32 `json:"desired"`
}

// Equal tells whether nothing differs.
func (d *Difference) Equal() bool { return d.Count() == 0 }

// Count is how many rules and settings differ.
func (d *Difference) Count() int {
	n := len(d.Settings)
	for _, l := range d.Lines {
		if l.Sign != " " {
			n++
		}
	}
	return n
}

// Compare says how what is loaded differs from what is desired. Rules that differ
// only in the order of their fields are equal; the order of rules matters, since
// the first that matches decides.
func Compare(host *Host, loaded []Rule, state State, d *Desired) *Difference {
	have := asLines(loaded)
	diff := &Difference{Lines: []DiffLine{}, Settings: []SettingMismatch{}}
	wanted := d.withExemptions(have)
	for l := ListUser; l <= ListURing; l++ {
		diff.compareList(host, onList(have, l), onList(wanted, l))
	}
	for _, s := range d.unequal(&state) {
		diff.Settings = append(diff.Settings, SettingMismatch{s.String(), state.Settings[s], *d.Settings[s]})
	}
	return diff
}

func (diff *Difference) compareList(host *Host, loaded, wanted []Line) {
	have, want := identities(loaded), identities(wanted)
	at, meant := places(have), places(want)
	common := commonSubsequence(have, want)
	stays := places(common)
	moves := func(to map[identity]int, id identity) bool {
		_, there := to[id]
		_, here := stays[id] // then the kernel has it once more
		return there && !here
	}
	put := func(sign string, l *Line, moved bool) {
		line := DiffLine{Sign: sign, Moved: moved, Rule: host.Show(l.Rule)}
		if from := l.From; sign != " " && from.File != "" {
			line.From = from.String()
		}
		diff.Lines = append(diff.Lines, line)
	}
	i, j := 0, 0
	for _, same := range common {
		for ; have[i] != same; i++ {
			put("-", &loaded[i], moves(meant, have[i]))
		}
		for ; want[j] != same; j++ {
			put("+", &wanted[j], moves(at, want[j]))
		}
		put(" ", &wanted[j], false)
		i, j = i+1, j+1
	}
	for ; i < len(have); i++ {
		put("-", &loaded[i], moves(meant, have[i]))
	}
	for ; j < len(want); j++ {
		put("+", &wanted[j], moves(at, want[j]))
	}
}

// commonSubsequence is the longest that two sequences have in common, of which b
// repeats nothing.
func commonSubsequence(a, b []identity) []identity {
	place := places(b)
	// The longest increasing run of places in b, by patience.
	var tails, at, before []int
	var ids []identity
	for _, id := range a {
		p, ok := place[id]
		if !ok {
			continue
		}
		ids, at = append(ids, id), append(at, p)
		i := len(at) - 1
		n, _ := slices.BinarySearchFunc(tails, p, func(t, p int) int { return at[t] - p })
		if before = append(before, -1); n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		} else {
			tails[n] = i
		}
	}
	var run []identity
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = before[i] {
			run = append(run, ids[i])
		}
	}
	slices.Reverse(run)
	return run
}

// Text writes the difference as a unified diff does, without what is equal.
func (d *Difference) Text() string {
	var b strings.Builder
	for _, s := range d.Settings {
		fmt.Fprintf(&b, "-%s %d\n+%s %d\n", s.Name, s.Loaded, s.Name, s.Desired)
	}
	for _, l := range d.Lines {
		if l.Sign == " " {
			continue
		}
		b.WriteString(l.Sign + l.Rule)
		if l.Moved {
			b.WriteString("   # at another place")
		}
		if l.From != "" && l.Sign == "+" {
			b.WriteString("   # " + l.From)
		}
		b.WriteString("\n")
	}
	return b.String()
}
