package rules

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeKernel speaks the kernel's audit protocol over a socket pair: what must
// never be tried on the machine itself, such as locking the rules, is tried on it.
type fakeKernel struct {
	fd     int
	rules  []Rule
	status [11]uint32
	fixed  bool // login uids

	refuse   func(kind uint16, r *Rule) unix.Errno // nil refuses nothing
	deaf     bool                                  // says yes to a setting, and does not take it
	messages int
	fewest   int // rules there were at any moment since the last reset
	order    []string
}

// newFakeKernel returns it with a Netlink that asks it.
func newFakeKernel(t *testing.T) (*fakeKernel, *Netlink) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := &fakeKernel{fd: pair[0]}
	k.status[5] = 64
	n, err := newNetlink(pair[1])
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); k.serve() }()
	t.Cleanup(func() { n.Close(); <-done; unix.Close(k.fd) })
	return k, n
}

func (k *fakeKernel) serve() {
	buf := make([]byte, 1<<20)
	for {
		size, err := unix.Read(k.fd, buf)
		if err != nil || size <= 0 {
			return
		}
		k.messages++
		for b := buf[:size]; len(b) >= headerSize; {
			length := int(binary.NativeEndian.Uint32(b))
			k.obey(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:]), b[headerSize:length])
			b = b[(length+3)&^3:]
		}
	}
}

func (k *fakeKernel) obey(kind, flags uint16, seq uint32, data []byte) {
	switch kind {
	case askStatus:
		k.reply(askStatus, seq, words(k.status[:]...))
	case askFeatures:
		feature := uint32(0)
		if k.fixed {
			feature = loginUIDFixed
		}
		k.reply(askFeatures, seq, words(1, 3, feature, 0))
	case listRules:
		for i := range k.rules {
			k.reply(listRules, seq, k.rules[i].AppendWire(nil))
		}
		k.reply(unix.NLMSG_DONE, seq, nil)
	default:
		if refusal := k.change(kind, data); refusal != 0 || flags&unix.NLM_F_ACK != 0 { // as kernel/audit.c, audit_receive
			k.reply(unix.NLMSG_ERROR, seq, words(-uint32(refusal)))
		}
	}
}

func (k *fakeKernel) change(kind uint16, data []byte) unix.Errno {
	defer func() { k.fewest = min(k.fewest, len(k.rules)) }()
	locked := k.status[1] == 2
	switch kind {
	case setFeature:
		k.order, k.fixed = append(k.order, "feature"), !k.deaf
	case setStatus:
		for setting, where := range statusMasks {
			if binary.NativeEndian.Uint32(data)&where.mask != 0 {
				if locked {
					return unix.EPERM
				}
				k.order = append(k.order, setting.String())
				if k.deaf {
					continue
				}
				k.status[where.word] = binary.NativeEndian.Uint32(data[4*where.word:])
			}
		}
	case addRule, deleteRule:
		r, err := ParseWire(data)
		if err != nil {
			return unix.EINVAL
		}
		if locked {
			return unix.EPERM
		}
		if k.refuse != nil {
			if no := k.refuse(kind, &r); no != 0 {
				return no
			}
		}
		k.order = append(k.order, "rule")
		same := func(other Rule) bool { return reflect.DeepEqual(other, r.Listed()) } // in the same order of comparisons
		i := slices.IndexFunc(k.rules, same)
		if kind == deleteRule {
			if i < 0 {
				return unix.ENOENT
			}
			k.rules = slices.Delete(k.rules, i, i+1)
			return 0
		}
		if i >= 0 && !r.Prepend { // in front it takes a rule once more (audit_compare_rule)
			return unix.EEXIST
		}
		k.insert(r)
	}
	return 0
}

// insert puts a rule before or behind the others of its list.
func (k *fakeKernel) insert(r Rule) {
	from := slices.IndexFunc(k.rules, func(o Rule) bool { return o.List >= r.List })
	to := slices.IndexFunc(k.rules, func(o Rule) bool { return o.List > r.List })
	if from < 0 {
		from = len(k.rules)
	}
	if to < 0 {
		to = len(k.rules)
	}
	if !r.Prepend {
		from = to
	}
	k.rules = slices.Insert(k.rules, from, r.Listed())
}

func (k *fakeKernel) reply(kind uint16, seq uint32, data []byte) {
	message := binary.NativeEndian.AppendUint32(nil, uint32(headerSize+len(data)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, 0)
	message = binary.NativeEndian.AppendUint32(message, seq)
	message = binary.NativeEndian.AppendUint32(message, 0)
	unix.Write(k.fd, append(message, data...))
}

func words(all ...uint32) (b []byte) {
	for _, n := range all {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}
