package accounts

import (
	"os"
	"sync"
	"time"
)

// Config says where a host's accounts are.
type Config struct {
	Passwd  string        // default /etc/passwd
	Group   string        // default /etc/group
	Getent  string        // absolute path of getent, see FindGetent; "" reads the files only
	Timeout time.Duration // how long one question to getent may take; default 500 ms
	Node    string        // this host's name in node=; default its host name
	Whose   Whose         // which nodes' ids are named; default this host's
	Machine string        // file of the machine's id; default /etc/machine-id
}

func (c *Config) setDefaults() {
	if c.Passwd == "" {
		c.Passwd = "/etc/passwd"
	}
	if c.Group == "" {
		c.Group = "/etc/group"
	}
	if c.Timeout == 0 {
		c.Timeout = getentTimeout
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname() // without one, only records without node= are ours
	}
	if c.Machine == "" {
		c.Machine = "/etc/machine-id"
	}
}

// Whose says whose ids the accounts of this host may name.
type Whose uint8

const (
	// ThisHost: of records without node=, or with this host's name there. An id
	// of another host stays a number rather than becoming somebody else.
	ThisHost Whose = iota
	// AnyHost: all, as ausearch does. Right where all hosts share their accounts.
	AnyHost
	// NoHost: none. What is named is named by the log itself.
	NoHost
)

var whoseNames = [...]string{ThisHost: "host", AnyHost: "any", NoHost: "recorded"}

func (w Whose) String() string { return whoseNames[w] }

// ParseWhose is the inverse of String.
func ParseWhose(word string) (Whose, bool) {
	for w, name := range whoseNames {
		if word == name {
			return Whose(w), true
		}
	}
	return 0, false
}

// Resolver names users and groups by this host's accounts: its files first,
// then getent. It remembers what getent said, and reads a file again when it
// has changed. Any number of goroutines may use it.
type Resolver struct {
	node          string
	machine       string
	whose         Whose
	users, groups book
}

// NewResolver reads no accounts yet, and starts nothing, now or later.
func NewResolver(c Config) *Resolver {
	c.setDefaults()
	ask := &asking{getent: getent{path: c.Getent, timeout: c.Timeout}}
	return &Resolver{
		node: c.Node, whose: c.Whose, machine: machine(c.Machine),
		users:  book{file: file{path: c.Passwd, of: passwd}, asking: ask, clock: time.Now},
		groups: book{file: file{path: c.Group, of: group}, asking: ask, clock: time.Now},
	}
}

// AppendUser appends the name of the user id on node and reports whether there
// is one to be had; without, dst stands as it was. It may take as long as
// getent may.
func (r *Resolver) AppendUser(dst []byte, node string, id uint32) ([]byte, bool) {
	return r.append(dst, &r.users, node, id)
}

// AppendGroup is AppendUser for groups.
func (r *Resolver) AppendGroup(dst []byte, node string, id uint32) ([]byte, bool) {
	return r.append(dst, &r.groups, node, id)
}

func (r *Resolver) append(dst []byte, b *book, node string, id uint32) ([]byte, bool) {
	if !r.speaksFor(node) {
		return dst, false
	}
	name := b.name(id, false)
	return append(dst, name...), name != ""
}

func (r *Resolver) speaksFor(node string) bool {
	switch r.whose {
	case AnyHost:
		return true
	case ThisHost:
		return node == "" || node == r.node
	}
	return false
}

// asking is getent, one question at a time.
type asking struct {
	mu sync.Mutex
	getent
}

// book is one database: its file, and what getent said of ids the file lacks.
type book struct {
	clock func() time.Time

	mu     sync.Mutex // of what follows; never held while getent is asked
	file   file
	looked time.Time
	told   map[uint32]told

	asking *asking
}

// told is what getent said: "" is that there is nobody.
type told struct {
	name  string
	until time.Time
}

const (
	lookInterval = time.Second      // how old what we know of a file may be
	toldFor      = 10 * time.Minute // what getent said holds so long
	maxTold      = 1 << 16          // beyond, all is forgotten and asked anew
)

// name returns the name of id, "" when none is known. With beside, what the
// file says is not asked for: whoever has the id there is not who is meant.
func (b *book) name(id uint32, beside bool) string {
	if id == unset {
		return ""
	}
	if name, known := b.known(id, beside, b.clock()); known {
		return name
	}
	b.asking.mu.Lock()
	defer b.asking.mu.Unlock()
	now := b.clock()
	if name, known := b.known(id, beside, now); known { // somebody else asked meanwhile
		return name
	}
	name, answered := b.asking.ask(b.file.of, id, now)
	if answered {
		b.remember(id, told{name, now.Add(toldFor)})
	}
	return name
}

// known looks into the file and at what getent said.
func (b *book) known(id uint32, beside bool, now time.Time) (name string, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.looked) >= lookInterval || now.Before(b.looked) {
		b.looked = now
		b.file.look(now) // without it there is still getent
	}
	if name, known = b.file.names()[id]; known {
		if beside {
			name = ""
		}
		return name, true
	}
	if t, ok := b.told[id]; ok && now.Before(t.until) {
		return t.name, true
	}
	return "", false
}

func (b *book) remember(id uint32, t told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told == nil || len(b.told) >= maxTold {
		b.told = map[uint32]told{}
	}
	b.told[id] = t
}
