package rules

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"auditbridge/auditbridge/interpret"
	"auditbridge/internal/nearest"
)

//go:embed profiles/*.rules
var profileFiles embed.FS

// Profile is a rule set that comes with the program.
type Profile struct {
	Name  string
	File  string // its name in a directory of rule files, with the number that orders it
	Title string

	text string
}

// Profiles are all of them, in the order of their files.
var Profiles = sync.OnceValue(readProfiles)

func readProfiles() (all []Profile) {
	files, err := fs.Glob(profileFiles, "profiles/*.rules")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := profileFiles.ReadFile(file)
		if err != nil {
			panic(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		name, title, _ := strings.Cut(strings.TrimPrefix(first, "# "), ": ")
		base := strings.TrimPrefix(file, "profiles/")
		number, rest, _ := strings.Cut(base, "-")
		all = append(all, Profile{Name: name, File: number + "-auditbridge-" + rest, Title: title, text: string(text)})
	}
	return all
}

// FindProfile finds one by its name.
func FindProfile(name string) (*Profile, error) {
	var names []string
	for i := range Profiles() {
		p := &Profiles()[i]
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	c := complain("there is no profile %q", name).advise("there are %s", strings.Join(names, ", "))
	if near := nearest.Word(name, names); near != "" {
		c.meant(near)
	}
	return nil, at(Position{File: "profiles"}, c)
}

// For is the profile's text for a host: without the system calls that its
// architecture does not have, and without rules for programs of 32 bits where it
// runs none.
func (p *Profile) For(host *Host) string {
	var b strings.Builder
	for line := range strings.Lines(p.text) {
		b.WriteString(host.adapt(line))
	}
	return b.String()
}

func (h *Host) adapt(line string) string {
	if !strings.HasPrefix(line, "-a") {
		return line
	}
	words := strings.Split(line, " ")
	arch, ok := h.Arch, true
	for i, w := range words {
		if name, found := strings.CutPrefix(w, "arch="); found {
			n, err := h.readArch(name)
			arch, ok = n, err == nil && interpret.ArchName(n) != ""
		}
		if i == 0 || words[i-1] != "-S" {
			continue
		}
		calls := slices.DeleteFunc(strings.Split(w, ","), func(name string) bool {
			_, known := interpret.SyscallNumber(arch, name)
			return !known
		})
		words[i] = strings.Join(calls, ",")
		ok = ok && len(calls) > 0
	}
	if !ok {
		return ""
	}
	return strings.Join(words, " ")
}

// Purpose is what a rule of a profile serves: the comment above it.
type Purpose struct {
	Requirement string `json:"requirement"` // the words before the colon
	Event       string `json:"event"`       // those behind it
}

// Purposes says of each rule line of a rule file, by its number, what the
// comment above it says.
func Purposes(text string) map[int]Purpose {
	purposes, last, n := map[int]Purpose{}, Purpose{}, 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		switch comment, is := strings.CutPrefix(line, "# "); {
		case is:
			requirement, event, ok := strings.Cut(comment, ": ")
			if last = (Purpose{}); ok {
				last = Purpose{requirement, event}
			}
		case line == "":
			last = Purpose{}
		case last != Purpose{}:
			purposes[n] = last
		}
	}
	return purposes
}
