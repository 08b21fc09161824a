package rules

import (
	"fmt"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
)

// Show writes the rule as auditctl -l does, such that Parse reads the same rule
// on that host. Field numbers that are newer than this program are shown as
// auditctl shows them, f300=1, and cannot be read back.
func (h *Host) Show(r Rule) string {
	var b strings.Builder
	if h.isWatch(&r) {
		h.showWatch(&b, &r)
	} else {
		h.showRule(&b, &r)
	}
	return b.String()
}

// showRule is Show without -w, which means another rule once the path is a directory.
func (h *Host) showRule(b *strings.Builder, r *Rule) {
	option := "-a "
	if r.Prepend {
		option = "-A "
	}
	list := r.List.String()
	if list == "" {
		list = fmt.Sprintf("list-%d", uint32(r.List))
	}
	write(b, option, r.Action.String(), ",", list)
	arch, called := h.Arch, false
	calls := func() {
		// No -S is every operation of io_uring; -S all would be those with a name.
		if !called && r.List.takesCalls() && (r.List == ListExit || !r.Calls.all()) {
			write(b, " -S ", r.showCalls(arch))
		}
		called = true
	}
	if f, ok := r.find(fieldArch); ok {
		arch = f.Value
	} else {
		calls()
	}
	for _, f := range r.Fields {
		h.showField(b, f, " -F key=")
		if f.ID == fieldArch {
			calls()
		}
	}
}

// write is Fprint of strings: a list is long, and written down by every load.
func write(b *strings.Builder, parts ...string) {
	for _, part := range parts {
		b.WriteString(part)
	}
}

// isWatch tells whether -w says the same: all calls, a path and permissions, and
// then a key at most. -w asks the host what the path is.
func (h *Host) isWatch(r *Rule) bool {
	if r.List != ListExit || r.Action != Always || r.Prepend || !r.Calls.all() || len(r.Fields) < 2 || len(r.Fields) > 3 {
		return false
	}
	path, perm := r.Fields[0], r.Fields[1]
	if perm.ID != fieldPerm || len(r.Fields) == 3 && r.Fields[2].ID != fieldKey || strings.HasSuffix(path.Text, "/") {
		return false
	}
	return path.ID == fieldDir && h.IsDir(path.Text) || path.ID == fieldPath && !h.IsDir(path.Text)
}

func (h *Host) showWatch(b *strings.Builder, r *Rule) {
	write(b, "-w ", escapeWord(r.Fields[0].Text), " -p ", showPermissions(r.Fields[1].Value))
	for _, f := range r.Fields[2:] {
		h.showField(b, f, " -k ")
	}
}

func (h *Host) showField(b *strings.Builder, f Field, key string) {
	info := f.info()
	switch {
	case info == nil:
		fmt.Fprintf(b, " f%d%s%d", f.ID, f.Op, f.Value)
	case info.kind == "key":
		for k := range strings.SplitSeq(f.Text, keyBoundary) {
			write(b, key, escapeWord(k))
		}
	case info.kind == "compare":
		one, other, _ := strings.Cut(values["compare"].name[f.Value], "=")
		write(b, " -C ", one, f.Op.String(), other)
	case info.kind.text():
		write(b, " -F ", info.name, f.Op.String(), escapeWord(f.Text))
	default:
		write(b, " -F ", info.name, f.Op.String(), h.showValue(info.kind, f.Value))
	}
}

func (h *Host) showValue(k kind, v uint32) string {
	switch k {
	case "hex":
		return fmt.Sprintf("0x%X", v)
	case "unsigned", "family":
		return strconv.FormatUint(uint64(v), 10)
	case "arch":
		return h.showArch(v)
	case "permissions":
		return showPermissions(v)
	case "type":
		if name := auditbridge.RecordType(v).String(); v < 3000 && !strings.HasPrefix(name, "UNKNOWN") {
			return name
		}
	case "exit":
		if name, _ := auditbridge.Errno(-int(int32(v))); int32(v) < 0 && name != "" {
			return "-" + name
		}
	case "file", "fs":
		if name := values[string(k)].name[v]; name != "" {
			return name
		}
	}
	return strconv.Itoa(int(int32(v)))
}

func showPermissions(v uint32) string {
	var b strings.Builder
	for _, name := range values["permission"].order {
		if v&values["permission"].number[name] != 0 {
			b.WriteString(name)
		}
	}
	return b.String()
}
