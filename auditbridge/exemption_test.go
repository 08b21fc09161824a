package auditbridge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-libaudit/v2"
	"golang.org/x/sys/unix"
)

// ruledKernel has rules. A locked one tells them and lets nobody change them.
type ruledKernel struct {
	rules   [][]byte
	locked  bool
	asked   uint32
	answers []syscall.NetlinkMessage
}

func (k *ruledKernel) Send(msg syscall.NetlinkMessage) (uint32, error) {
	k.asked++
	answer := func(kind uint16, data []byte) {
		k.answers = append(k.answers, syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind, Seq: k.asked}, Data: data})
	}
	refusal := func(errno unix.Errno) []byte {
		return binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
	}
	const listRules = 1013
	switch at := slices.IndexFunc(k.rules, func(r []byte) bool { return bytes.Equal(r, msg.Data) }); {
	case msg.Header.Type == listRules:
		answer(unix.NLMSG_ERROR, refusal(0))
		for _, r := range k.rules {
			answer(listRules, r)
		}
		answer(unix.NLMSG_DONE, nil)
	case k.locked:
		answer(unix.NLMSG_ERROR, refusal(unix.EPERM))
	case msg.Header.Type == auditAddRule:
		rule := slices.Clone(msg.Data)
		rule[slices.Index(rule, filterExit|filterPrepend)] = filterExit
		k.rules = append([][]byte{rule}, k.rules...)
		answer(unix.NLMSG_ERROR, refusal(0))
	case at < 0:
		answer(unix.NLMSG_ERROR, refusal(unix.ENOENT))
	default:
		k.rules = slices.Delete(k.rules, at, at+1)
		answer(unix.NLMSG_ERROR, refusal(0))
	}
	return k.asked, nil
}

func (k *ruledKernel) SendNoWait(msg syscall.NetlinkMessage) (uint32, error) { return k.Send(msg) }
func (k *ruledKernel) Close() error                                          { return nil }

func (k *ruledKernel) Receive(bool, libaudit.NetlinkParser) ([]syscall.NetlinkMessage, error) {
	if len(k.answers) == 0 {
		return nil, syscall.EAGAIN
	}
	next := k.answers[0]
	k.answers = k.answers[1:]
	return []syscall.NetlinkMessage{next}, nil
}

// TestExemptionOfALockedKernel: what cannot be made is said and does no harm; what
// cannot be taken back is remembered, for the start after the next reboot or the
// lock's end to find.
func TestExemptionOfALockedKernel(t *testing.T) {
	kernel := &ruledKernel{rules: [][]byte{make([]byte, 1040)}, locked: true}
	var said strings.Builder
	start := func() *exemption {
		said.Reset()
		return &exemption{
			control: &control{client: &libaudit.AuditClient{Netlink: kernel}},
			file:    filepath.Join(t.TempDir(), "exempt"), log: slog.New(slog.NewTextHandler(&said, nil)),
		}
	}
	e := start()
	e.begin()
	if err := e.failure(); !errors.Is(err, unix.EPERM) || !strings.Contains(said.String(), "this process is audited itself") {
		t.Errorf("locked: %v, said %s", err, &said)
	}
	if others, err := e.keep(); others != 1 || err != nil || strings.Count(said.String(), "audited itself") != 1 {
		t.Errorf("%d rules besides, %v, said %s", others, err, &said)
	}
	kernel.locked = false
	if others, err := e.keep(); others != 1 || err != nil || len(kernel.rules) != 3 || e.failure() != nil {
		t.Errorf("unlocked: %d of %d rules, %v, %v", others, len(kernel.rules), err, e.failure())
	}
	e.withdraw()
	if _, err := os.Stat(e.file); len(kernel.rules) != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("withdrawn: %d rules, %v", len(kernel.rules), err)
	}

	kernel.locked = true
	e = start()
	e.begin()
	e.withdraw()
	if _, err := os.Stat(e.file); !errors.Is(err, os.ErrNotExist) || strings.Contains(said.String(), "left behind") {
		t.Errorf("what was never made is left: %v, said %s", err, &said)
	}

	kernel.locked = false
	e = start()
	e.begin()
	kernel.locked = true
	e.withdraw()
	if pids, err := remembered(e.file); len(pids) != 1 || pids[0] != os.Getpid() || err != nil {
		t.Errorf("left behind: %v, %v", pids, err)
	}
	if !strings.Contains(said.String(), "is left behind") {
		t.Errorf("said %s", &said)
	}
}

// TestWhoseExemptionsAreOurs: this process's, once there are any, and those of dead
// ones that left theirs; whoever has the pid of such a one now is not spared.
func TestWhoseExemptionsAreOurs(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "exempt")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n%d\n", dead.Process.Pid, os.Getppid()), 0o600); err != nil {
		t.Fatal(err)
	}
	kernel := &ruledKernel{}
	e := newExemption(&control{client: &libaudit.AuditClient{Netlink: kernel}}, file, slog.New(slog.DiscardHandler))
	is := func(when string, want ...int) {
		t.Helper()
		if pids := e.exempted(); !slices.Equal(pids, want) {
			t.Errorf("%s: those of %v are ours, want %v", when, pids, want)
		}
	}
	is("at first", dead.Process.Pid)
	e.begin()
	is("then", os.Getpid(), dead.Process.Pid)
}
