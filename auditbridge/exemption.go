package auditbridge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// auditRule is struct audit_rule_data (include/uapi/linux/audit.h) of a rule
// without strings.
type auditRule struct {
	List, Action, FieldCount   uint32
	Syscalls                   [64]uint32
	Fields, Values, FieldFlags [64]uint32
	BufferLength               uint32
}

const (
	auditAddRule = 1011
	auditDelRule = 1012

	filterExit    = 4    // the list of rules that look at system calls
	filterPrepend = 0x10 // before all others: the first that matches decides
	never         = 0
	fieldPID      = 0
	fieldPPID     = 18
	equal         = 0x40000000
)

// exceptions are the rules that keep a process and its children from being
// audited, as auditctl writes them: -A exit,never -F pid=PID and -F ppid=PID. The
// kernel compares pid with the process, whichever of its threads it is
// (kernel/auditsc.c, audit_filter_rules: task_tgid_nr). Children: ship reads and
// sends what is recorded, so its doings must not be recorded either, from the
// first on; what ends the host at a halt is one, too.
func exceptions(pid int) (rules [2]auditRule) {
	for i, field := range []uint32{fieldPID, fieldPPID} {
		r := auditRule{List: filterExit, Action: never, FieldCount: 1}
		r.Fields[0], r.Values[0], r.FieldFlags[0] = field, uint32(pid), equal
		for word := range r.Syscalls[:63] { // the last word means classes
			r.Syscalls[word] = 1<<32 - 1
		}
		rules[i] = r
	}
	return rules
}

func (r *auditRule) bytes() []byte {
	b, err := binary.Append(nil, binary.NativeEndian, r)
	if err != nil {
		panic(err) // its size is fixed
	}
	return b
}

// except adds what is missing of the exceptions for pid, before all other rules,
// and returns how many rules there are besides, -1 when that is not known.
func (c *control) except(pid int) (others int, added bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.list()
	if err != nil {
		return -1, false, err
	}
	others = len(all)
	for _, r := range exceptions(pid) {
		if holds(all, &r) {
			others--
			continue
		}
		r.List |= filterPrepend
		if err := c.request(auditAddRule, r.bytes()); err != nil {
			return others, added, fmt.Errorf("add the rule that keeps process %d from being audited: %w", pid, err)
		}
		added = true
	}
	return others, added, nil
}

// unexcept deletes what there is of the exceptions for pid.
func (c *control) unexcept(pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.list()
	if err != nil {
		return err
	}
	for _, r := range exceptions(pid) {
		if !holds(all, &r) {
			continue
		}
		if err := c.request(auditDelRule, r.bytes()); err != nil {
			return fmt.Errorf("delete the rule that keeps process %d from being audited: %w", pid, err)
		}
	}
	return nil
}

func holds(all [][]byte, r *auditRule) bool {
	wanted := r.bytes()
	for _, rule := range all {
		if bytes.Equal(rule, wanted) {
			return true
		}
	}
	return false
}

// exemption keeps this process from being audited. The kernel itself exempts only
// the owner of its audit socket.
//
// Its file holds the pids for which there may be exceptions, and is written before
// the first is made and after the last is deleted.
type exemption struct {
	control *control
	file    string
	log     *slog.Logger

	left []int // in the file before we began: dead ones, and ourselves before an execve

	mu    sync.Mutex
	tried bool
	made  bool  // or part of it
	err   error // why there is none
}

func newExemption(c *control, file string, log *slog.Logger) *exemption {
	left, _ := remembered(file) // that it cannot be read, succeed says
	return &exemption{control: c, file: file, log: log, left: left}
}

// exempted are the processes whose exceptions among the kernel's rules are ours:
// this one, and dead ones that left theirs, for as long as nobody else has their
// pid.
func (e *exemption) exempted() (pids []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made {
		pids = append(pids, os.Getpid())
	}
	for _, pid := range e.left {
		if pid == os.Getpid() || unix.Kill(pid, 0) == unix.ESRCH {
			pids = append(pids, pid)
		}
	}
	return pids
}

// begin makes the exception.
func (e *exemption) begin() {
	if e.file == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err = remember(e.file, os.Getpid()); e.err == nil {
		e.tried = true
		e.make()
	}
	if e.err != nil {
		e.log.Warn("this process is audited itself: rules that match what it does make records without end", "err", e.err)
	}
}

// keep puts the exception back if somebody deleted it, and returns how many
// rules there are besides.
func (e *exemption) keep() (others int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.tried {
		return e.control.rules()
	}
	before := e.err
	others, added := e.make()
	if e.err == nil && added {
		e.log.Info("the rules that keep this process from being audited are there again")
	}
	if e.err != nil && before == nil {
		e.log.Warn("this process is audited itself from now on", "err", e.err)
	}
	if others < 0 {
		return 0, e.err
	}
	return others, nil
}

func (e *exemption) make() (others int, added bool) {
	others, added, e.err = e.control.except(os.Getpid())
	e.made = e.made || added || e.err == nil
	return others, added
}

func (e *exemption) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// leave has withdraw do nothing: a successor does.
func (e *exemption) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tried = false
}

// withdraw deletes the exception. In a locked kernel it stays until reboot.
func (e *exemption) withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.tried {
		return
	}
	e.tried = false
	var err error
	if e.made {
		err = e.control.unexcept(os.Getpid())
	}
	if err == nil {
		err = forget(e.file, os.Getpid())
	}
	if err != nil {
		e.log.Warn("an exception from being audited is left behind", "pid", os.Getpid(), "err", err)
	}
}

// succeed takes back what a killed process left behind. It comes before begin.
func (e *exemption) succeed() {
	if err := e.control.withdraw(e.file); err != nil {
		e.log.Warn("what a killed process left in the kernel's rules stays there", "err", err)
	}
}

// WithdrawExemptions takes back what a killed process left behind, by the file of
// its MulticastConfig or KernelConfig, where there is no such source any more: those
// do it themselves. The caller knows that it is dead. Without the file nothing was
// left, and the kernel is not asked.
func WithdrawExemptions(file string) error {
	if pids, err := remembered(file); err != nil || len(pids) == 0 {
		return err
	}
	c, err := openControl()
	if err != nil {
		return fmt.Errorf("withdraw an exception from being audited: %w", err)
	}
	return errors.Join(c.withdraw(file), c.close())
}

// withdraw deletes the exceptions that the file names.
func (c *control) withdraw(file string) error {
	pids, err := remembered(file)
	errs := []error{err}
	for _, pid := range pids {
		err := c.unexcept(pid)
		if err == nil {
			err = forget(file, pid)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// forget takes pid out of the file, and the file away when it names nobody else.
func forget(file string, pid int) error {
	pids, err := remembered(file)
	if err != nil {
		return err
	}
	var rest []byte
	for _, p := range pids {
		if p != pid {
			rest = fmt.Appendln(rest, p)
		}
	}
	if len(rest) > 0 {
		return os.WriteFile(file, rest, 0o600)
	}
	return os.Remove(file)
}

func remember(file string, pid int) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("remember for whom an exception is made: %w", err)
	}
	_, err = fmt.Fprintln(f, pid)
	return errors.Join(err, f.Close())
}

func remembered(file string) (pids []int, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read for whom an exception was made: %w", err)
	}
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil || pid <= 0 {
			return pids, fmt.Errorf("read for whom an exception was made: %s: %q is no process", file, word)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
