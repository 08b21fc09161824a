package accounts

import "auditbridge/auditbridge"

// Reader names users and groups by the tables that a log itself holds, as of
// the place it has come to, and beyond them by the accounts of this host, where
// those speak for the node. It belongs to one goroutine.
type Reader struct {
	local *Resolver
	nodes map[string]*accounts
	room  int // how many more entries may be remembered
}

// accounts are what a log told of one node.
type accounts struct {
	machine       string
	users, groups learned
}

// Of so many nodes, and so many entries in all, tables are kept. What a log says
// beyond is not remembered.
const (
	maxNodes   = 1024
	maxLearned = 1 << 16
)

// NewReader makes one that knows nothing yet. Without local, what the log does
// not name has no name.
func NewReader(local *Resolver) *Reader {
	if local == nil {
		local = NewResolver(Config{Whose: NoHost})
	}
	return &Reader{local: local, nodes: map[string]*accounts{}, room: maxLearned}
}

// Tells reports whether an event says who has which number, so that Observe
// should see it even when nobody else does.
func Tells(e *auditbridge.Event) bool {
	_, ok := readStatement(e)
	return ok
}

// Observe takes what an event tells of accounts, if it is one of our own that
// does: call it with every event, in the log's order, before the event's ids are
// asked for. It keeps nothing of e. That an event is our own is a guess where
// the log is a copy (Event.Own); what depends on it is how ids are shown.
func (r *Reader) Observe(e *auditbridge.Event) {
	s, ok := readStatement(e)
	if !ok {
		return
	}
	a := r.nodes[e.ID.Node]
	if a == nil {
		if len(r.nodes) == maxNodes {
			return
		}
		a = &accounts{}
		r.nodes[e.ID.Node] = a
	}
	a.machine = s.machine
	switch s.of {
	case passwd.name:
		r.room -= a.users.learn(&s, r.room)
	case group.name:
		r.room -= a.groups.learn(&s, r.room)
	}
}

// AppendUser appends the name that the user id had on node and reports whether
// there is one to be had; without, dst stands as it was. It may take as long as
// getent may.
func (r *Reader) AppendUser(dst []byte, node string, id uint32) ([]byte, bool) {
	if a := r.nodes[node]; a != nil {
		return r.append(dst, &a.users, &r.local.users, r.local.speaksBeside(node, a.machine), id)
	}
	return r.local.AppendUser(dst, node, id)
}

// AppendGroup is AppendUser for groups.
func (r *Reader) AppendGroup(dst []byte, node string, id uint32) ([]byte, bool) {
	if a := r.nodes[node]; a != nil {
		return r.append(dst, &a.groups, &r.local.groups, r.local.speaksBeside(node, a.machine), id)
	}
	return r.local.AppendGroup(dst, node, id)
}

// append asks the log's table, then where it may this host's: but for its file,
// when the log's is whole. An id that was in no file then belongs to a directory
// or to nobody, whoever has it in the file now.
func (r *Reader) append(dst []byte, l *learned, local *book, mayAsk bool, id uint32) ([]byte, bool) {
	name := l.names[id]
	if name == "" && mayAsk {
		name = local.name(id, l.whole)
	}
	return append(dst, name...), name != ""
}

// speaksBeside is speaksFor where the log tells which machine it is of.
func (r *Resolver) speaksBeside(node, machine string) bool {
	if r.whose == ThisHost && machine != "" {
		return machine == r.machine
	}
	return r.speaksFor(node)
}
