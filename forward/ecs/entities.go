package ecs

import (
	"bytes"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/outline"
)

// related are the values that related.* repeats, each once.
type related struct {
	users [4][]byte
	ips   [2][]byte
	hosts [2][]byte
}

func addOnce(set [][]byte, value []byte) {
	for i, v := range set {
		switch {
		case len(value) == 0 || bytes.Equal(v, value):
			return
		case v == nil:
			set[i] = value
			return
		}
	}
}

func (r *related) host(name []byte) { addOnce(r.hosts[:], name) }

// users writes user.*, and group.* when a group was changed: who did it is the
// login user, as whom it was done is effective, to whom is target. Before anybody has logged in, who tries
// to is all there is: the account a program names.
func (w *Writer) users(e *auditbridge.Event) {
	o := &w.outline
	id, name := o.LoginID, o.LoginName
	effectiveID, effectiveName := o.EffectiveID, o.EffectiveName
	if effectiveID == nil {
		effectiveID, effectiveName = o.UserID, o.UserName
	}
	claimed := w.meaning.account == actors && (o.Account != nil || o.AccountID != nil)
	switch {
	case id == nil && claimed:
		id, name = o.AccountID, o.Account
	case id == nil:
		id, name = o.UserID, o.UserName
	case claimed:
		effectiveID, effectiveName = o.AccountID, o.Account
	}
	group := w.meaning.account == targets && strings.Contains(w.meaning.types, `"group"`)
	w.open("user")
	w.user(e, id, name)
	w.open("effective")
	if !bytes.Equal(id, effectiveID) || !bytes.Equal(name, effectiveName) {
		w.user(e, effectiveID, effectiveName)
	}
	w.close()
	w.open("target")
	if w.meaning.account == targets && !group {
		w.user(e, o.AccountID, o.Account)
	}
	w.close()
	w.open("group")
	w.text("id", o.GroupID)
	w.text("name", o.GroupName)
	w.close()
	w.close()
	w.open("group")
	switch {
	case group && o.Group != nil:
		w.text("name", o.Group)
	case group:
		w.text("id", o.AccountID)
		w.text("name", o.Account)
	}
	w.close()
}

func (w *Writer) user(e *auditbridge.Event, id, name []byte) {
	if name == nil {
		name = w.outline.NameOf(w.Interpreter, e.ID.Node, id)
	}
	w.text("id", id)
	w.text("name", name)
	addOnce(w.related.users[:], name)
}

func (w *Writer) process(e *auditbridge.Event) {
	o := &w.outline
	name := o.Name
	if name == nil {
		name = base(o.Program)
	}
	w.open("process")
	w.number("pid", o.PID)
	w.text("name", name)
	w.text("executable", o.Program)
	w.text("command_line", o.Title)
	w.arguments(e)
	w.text("working_directory", o.Directory)
	w.open("parent")
	w.number("pid", o.ParentPID)
	w.close()
	w.close()
}

const typeExecve auditbridge.RecordType = 1309

// arguments writes process.args of the EXECVE records. The kernel cuts a long
// argument into a3[0], a3[1] …, which stand in order.
func (w *Writer) arguments(e *auditbridge.Event) {
	start, first := len(w.dst), true
	began := -1 // in space: the argument that is being put together
	for i := range e.Records {
		r := &e.Records[i]
		if r.Type != typeExecve {
			continue
		}
		for f := r.Stamped(); f.Next(); {
			if !isArgument(f.Key) {
				continue
			}
			if goesOn := f.Key[len(f.Key)-1] == ']' && !bytes.HasSuffix(f.Key, []byte("[0]")); began >= 0 && !goesOn {
				w.item(w.space[began:])
				began = -1
			}
			if first {
				w.key("args")
				w.dst = append(w.dst, '[')
				first = false
			}
			if began < 0 {
				began = len(w.space)
			}
			w.space = f.AppendDecoded(w.space, r.Type)
		}
	}
	if began >= 0 {
		w.item(w.space[began:])
	}
	if len(w.dst) > start {
		w.dst = append(w.dst, ']')
	}
}

// isArgument reports whether key is an argument or a part of one; a3_len, the
// length of one in parts, is neither.
func isArgument(key []byte) bool {
	return len(key) > 1 && key[0] == 'a' && '0' <= key[1] && key[1] <= '9' && key[len(key)-1] != 'n'
}

func (w *Writer) network() {
	o := &w.outline
	w.open("source")
	w.end(o.SourceAddress, o.SourceHost, o.SourcePort)
	w.close()
	w.open("destination")
	w.end(o.DestinationAddress, nil, o.DestinationPort)
	w.close()
	w.open("network")
	w.number("iana_number", o.Transport)
	switch string(o.Transport) {
	case "6":
		w.say("transport", "tcp")
	case "17":
		w.say("transport", "udp")
	case "1":
		w.say("transport", "icmp")
	case "58":
		w.say("transport", "ipv6-icmp")
	}
	w.close()
}

// end writes one end of a connection.
func (w *Writer) end(address, host, port []byte) {
	isIP := func(b []byte) bool { return outline.IsIPv4(b) || outline.IsIPv6(b) }
	if address == nil {
		address = host
	}
	w.text("address", address)
	if isIP(address) {
		w.text("ip", address)
		addOnce(w.related.ips[:], address)
	} else if host == nil {
		host = address
	}
	if !isIP(host) {
		w.text("domain", host)
		w.related.host(host)
	}
	w.number("port", port)
}

func (w *Writer) file() {
	o := &w.outline
	w.open("file")
	if path := w.whole(o.Path); path != nil {
		w.text("path", path)
		w.text("name", base(path))
		if i := bytes.LastIndexByte(path, '/'); i > 0 {
			w.text("directory", path[:i])
		}
	}
	if n := len(o.PathMode); n > 4 {
		w.text("mode", o.PathMode[n-4:])
		w.text("type", fileType(o.PathMode[:n-4]))
	}
	w.text("inode", o.Inode)
	w.text("device", o.Device)
	w.text("uid", o.OwnerID)
	w.text("gid", o.OwnerGroupID)
	w.close()
}

// whole is a path with the working directory before it when it needs one.
func (w *Writer) whole(path []byte) []byte {
	directory := w.outline.Directory
	if len(path) == 0 || path[0] == '/' || len(directory) == 0 || directory[0] != '/' {
		return path
	}
	start := len(w.space)
	w.space = append(w.space, bytes.TrimSuffix(directory, []byte{'/'})...)
	w.space = append(append(w.space, '/'), bytes.TrimPrefix(path, []byte("./"))...)
	return w.space[start:len(w.space):len(w.space)]
}

// fileType says what the upper digits of a mode mean (stat(2)).
func fileType(digits []byte) []byte {
	switch string(bytes.TrimLeft(digits, "0")) {
	case "10":
		return regular
	case "4":
		return directory
	case "12":
		return symlink
	}
	return nil
}

var regular, directory, symlink = []byte("file"), []byte("dir"), []byte("symlink")

func base(path []byte) []byte { return path[bytes.LastIndexByte(path, '/')+1:] }

// subjects writes what else an event is about.
func (w *Writer) subjects() {
	w.open("service")
	w.text("name", w.outline.Unit)
	w.close()
	w.open("package")
	w.text("name", w.outline.Package)
	w.close()
}
