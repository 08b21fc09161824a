// Package outline finds in an event's records what formats that have fixed
// places for things ask for: who, with which program, from where, to what.
package outline

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// Outline is what an event says, in the words its records have it in: numbers
// stay numbers, hex is decoded. A value is nil when the event does not say, or
// says only "?", "(none)" or the id that was never set. Values hold until the
// next Read, and no longer than the event.
//
// Where several records say the same, the one the verdict rests on counts, then
// the first. Of a program's message, what the kernel stamped (LoginID, UserID,
// Session, PID, Label) is never taken from what the program claims.
type Outline struct {
	// Who.
	LoginID, LoginName         []byte // auid, and the name auditd resolved
	UserID, UserName           []byte // uid
	EffectiveID, EffectiveName []byte // euid
	GroupID, GroupName         []byte // gid
	Session                    []byte
	Label                      []byte // subj

	// With which program.
	PID, ParentPID []byte
	Program        []byte // exe; of a program's message as claimed
	Name           []byte // comm
	Title          []byte // proctitle, or the command a program says it ran
	Directory      []byte // cwd
	Terminal       []byte // tty, terminal

	// Whose account or group, as a program claims.
	Account, AccountID, Group []byte

	// From where, to where: of a packet, of a connection, or as a program claims.
	SourceAddress, SourceHost, SourcePort []byte
	DestinationAddress, DestinationPort   []byte
	Transport                             []byte // protocol number

	// What it is about.
	Path, PathMode, Inode, Device, OwnerID, OwnerGroupID []byte // of the object, not of its parent
	PathType                                             []byte // nametype: NORMAL, CREATE, DELETE
	ObjectLabel                                          []byte // obj, tcontext
	ObjectPID, ObjectName                                []byte // the process a signal went to, or a debugger
	Unit, Package                                        []byte // service, software
	Key                                                  []byte // of the rule that matched; several are joined by 0x01
	Operation                                            []byte // op, operation

	// The system call.
	Arch, Syscall, Exit []byte
	Call                []byte // its name

	space []byte
}

// Read begins anew with event e, of which v is the verdict.
func (o *Outline) Read(e *auditbridge.Event, v *auditbridge.Verdict) {
	*o = Outline{space: o.space[:0]}
	if e.End == auditbridge.EndMalformed {
		return
	}
	o.record(&e.Records[v.Deciding])
	for i := range e.Records {
		if i != v.Deciding {
			o.record(&e.Records[i])
		}
	}
	o.call()
	for i := range e.Records {
		if r := &e.Records[i]; r.Type == typeSockaddr {
			o.socket(r)
		}
	}
}

// NameOf asks who has a user id on a node; nil when nobody is to be asked, or
// nobody knows.
func (o *Outline) NameOf(in *interpret.Interpreter, node string, id []byte) []byte {
	n, ok := number(id, 10)
	if !ok || n == 1<<32-1 || in == nil || in.Names == nil {
		return nil
	}
	start := len(o.space)
	if o.space, ok = in.Names.AppendUser(o.space, node, uint32(n)); !ok {
		return nil
	}
	return o.space[start:len(o.space):len(o.space)]
}

// call names the system call.
func (o *Outline) call() {
	arch, ok := number(o.Arch, 16)
	nr, fine := number(o.Syscall, 10)
	if !ok || !fine {
		return
	}
	if name := interpret.SyscallName(uint32(arch), int(nr)); name != "" {
		start := len(o.space)
		o.space = append(o.space, name...)
		o.Call = o.space[start:len(o.space):len(o.space)]
	}
}

// number is what strconv.ParseUint makes of a uint32's digits, without
// allocating.
func number(digits []byte, base uint64) (n uint64, ok bool) {
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n*base + uint64(c-'0')
		case 'a' <= c && c <= 'f' && base == 16:
			n = n*base + uint64(c-'a'+10)
		default:
			return 0, false
		}
		if n > 1<<32-1 {
			return 0, false
		}
	}
	return n, len(digits) > 0
}

// socket takes an address a program handed to the kernel, or got from it, where
// the system call says which end it is.
func (o *Outline) socket(r *auditbridge.Record) {
	address, port := &o.DestinationAddress, &o.DestinationPort
	switch string(o.Call) {
	case "accept", "accept4", "recvfrom", "recvmsg":
		address, port = &o.SourceAddress, &o.SourcePort
	case "connect", "sendto", "sendmsg":
	default:
		return
	}
	f := r.Stamped()
	if !f.Find("saddr") || *address != nil {
		return
	}
	var space [interpret.MaxAddress]byte
	socket, _ := interpret.ParseAddress(space[:0], f.Value)
	if endpoint, ok := socket.Endpoint(); ok {
		start := len(o.space)
		o.space = endpoint.Addr().AppendTo(o.space)
		end := len(o.space)
		o.space = strconv.AppendUint(o.space, uint64(endpoint.Port()), 10)
		*address, *port = o.space[start:end:end], o.space[end:len(o.space):len(o.space)]
	}
}

// The types of records whose fields mean something of their own.
const (
	typePath      auditbridge.RecordType = 1302
	typeSockaddr  auditbridge.RecordType = 1306
	typeExecve    auditbridge.RecordType = 1309
	typeObjPID    auditbridge.RecordType = 1318
	typePacket    auditbridge.RecordType = 1324
	typeProctitle auditbridge.RecordType = 1327
)

func (o *Outline) record(r *auditbridge.Record) {
	switch r.Type {
	case typePath:
		o.path(r)
		return
	case typeObjPID:
		o.each(r.Stamped(), r.Type, o.ofObject)
		return
	case typeExecve: // its a0 … are arguments; proctitle has them
		return
	case typePacket:
		o.each(r.Stamped(), r.Type, o.ofPacket)
	}
	o.each(r.Stamped(), r.Type, o.stamped)
	o.each(r.Claims(), r.Type, o.claimed)
	o.each(r.Resolved(), r.Type, o.resolved)
}

// each sets the places of the fields, unless they were set or have nothing to say.
func (o *Outline) each(f auditbridge.Fields, t auditbridge.RecordType, place func(key []byte) *[]byte) {
	for f.Next() {
		if len(f.Key) == 0 || auditbridge.IsPlaceholder(f.Value) {
			continue
		}
		if p := place(f.Key); p != nil && *p == nil {
			o.set(p, &f, t)
		}
	}
}

func (o *Outline) set(p *[]byte, f *auditbridge.Fields, t auditbridge.RecordType) {
	start := len(o.space)
	o.space = f.AppendDecoded(o.space, t)
	*p = o.space[start:len(o.space):len(o.space)]
}

func (o *Outline) stamped(key []byte) *[]byte {
	switch string(key) {
	case "auid":
		return &o.LoginID
	case "uid":
		return &o.UserID
	case "euid":
		return &o.EffectiveID
	case "gid":
		return &o.GroupID
	case "ses":
		return &o.Session
	case "subj", "scontext":
		return &o.Label
	case "obj", "tcontext":
		return &o.ObjectLabel
	case "pid":
		return &o.PID
	case "ppid":
		return &o.ParentPID
	case "exe":
		return &o.Program
	case "comm":
		return &o.Name
	case "proctitle":
		return &o.Title
	case "cwd":
		return &o.Directory
	case "tty":
		return &o.Terminal
	case "key":
		return &o.Key
	case "op", "operation":
		return &o.Operation
	case "name", "path": // of a security module's decision
		return &o.Path
	case "ino":
		return &o.Inode
	case "arch":
		return &o.Arch
	case "syscall":
		return &o.Syscall
	case "exit":
		return &o.Exit
	}
	return nil
}

func (o *Outline) claimed(key []byte) *[]byte {
	switch string(key) {
	case "exe":
		return &o.Program
	case "comm":
		return &o.Name
	case "cmd", "data":
		return &o.Title
	case "cwd":
		return &o.Directory
	case "terminal":
		return &o.Terminal
	case "acct":
		return &o.Account
	case "id":
		return &o.AccountID
	case "grp":
		return &o.Group
	case "addr":
		return &o.SourceAddress
	case "hostname":
		return &o.SourceHost
	case "rport":
		return &o.SourcePort
	case "laddr":
		return &o.DestinationAddress
	case "lport":
		return &o.DestinationPort
	case "unit":
		return &o.Unit
	case "sw":
		return &o.Package
	case "op", "operation":
		return &o.Operation
	case "path", "name":
		return &o.Path
	case "tcontext":
		return &o.ObjectLabel
	}
	return nil
}

// resolved are the names auditd added in its enriched format.
func (o *Outline) resolved(key []byte) *[]byte {
	switch string(key) {
	case "AUID":
		return &o.LoginName
	case "UID":
		return &o.UserName
	case "EUID":
		return &o.EffectiveName
	case "GID":
		return &o.GroupName
	}
	return nil
}

// ofPacket is a packet that a firewall logged.
func (o *Outline) ofPacket(key []byte) *[]byte {
	switch string(key) {
	case "saddr":
		return &o.SourceAddress
	case "sport":
		return &o.SourcePort
	case "daddr":
		return &o.DestinationAddress
	case "dport":
		return &o.DestinationPort
	case "proto":
		return &o.Transport
	}
	return nil
}

func (o *Outline) ofObject(key []byte) *[]byte {
	switch string(key) {
	case "opid":
		return &o.ObjectPID
	case "ocomm":
		return &o.ObjectName
	case "obj":
		return &o.ObjectLabel
	}
	return nil
}

// path takes the first path that is no parent's. What a security module said
// of a path before gives way: its name has no directory.
func (o *Outline) path(r *auditbridge.Record) {
	if kind, ok := r.Stamped().Lookup("nametype"); ok && bytes.Equal(kind, parent) || o.PathType != nil {
		return
	}
	o.Path, o.Inode = nil, nil
	o.each(r.Stamped(), r.Type, o.ofPath)
}

var parent = []byte("PARENT")

func (o *Outline) ofPath(key []byte) *[]byte {
	switch string(key) {
	case "name":
		return &o.Path
	case "mode":
		return &o.PathMode
	case "nametype":
		return &o.PathType
	case "inode":
		return &o.Inode
	case "dev":
		return &o.Device
	case "ouid":
		return &o.OwnerID
	case "ogid":
		return &o.OwnerGroupID
	case "obj":
		return &o.ObjectLabel
	}
	return nil
}
