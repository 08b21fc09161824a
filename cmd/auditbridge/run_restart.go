package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/durable"
)

// restarter puts the program that is installed by now in this process's place
// (execve), so that pid, ring and audit socket stay.
type restarter struct {
	d    *daemon
	file string // the configuration

	once  sync.Mutex    // held by the one that is granted, for good
	asked chan struct{} // closed when it is
	next  successor
}

// successor is the program to come, and what it will do.
type successor struct {
	path    string
	version string
	digest  string // SHA-256 of the file it is started from, in hex
	same    bool   // it hears the same source into the same ring
}

// errRestart ends the source where there is no socket to hand over.
var errRestart = errors.New("restarted")

// checkWait is how long it may take the new program to look at the configuration,
// and the restart to be on record.
const checkWait = 30 * time.Second

// restart grants a restart when the new program can be run and takes the
// configuration. An error leaves all as it was. Either is on record.
func (r *restarter) restart(ctx context.Context, by auditbridge.Actor) (restarting, error) {
	if !r.once.TryLock() {
		return restarting{}, errors.New("it is restarting already")
	}
	limited, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	next, err := examine(limited, r.file)
	if err == nil {
		next.same = r.same(next.values)
		n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "restart", auditbridge.Text("old", thisBuild().Version),
			auditbridge.Text("new", next.version), auditbridge.Text("exe", next.path), auditbridge.Text("sha256", next.digest))
		n.Actor = by
		err = r.d.journal.Record(limited, n)
	}
	if err != nil {
		r.once.Unlock()
		n := auditbridge.OwnFailure("restart", auditbridge.Text("reason", brief(err.Error())))
		n.Actor = by
		r.d.journal.Note(n)
		r.d.log.Error("not restarted; nothing has changed", "error", err)
		return restarting{}, err
	}
	r.next = next.successor
	close(r.asked)
	return restarting{PID: os.Getpid(), Started: r.d.started, Version: next.version}, nil
}

// examined is a successor and the settings it reads in the configuration.
type examined struct {
	successor
	values []config.Value
}

// examine looks for the program where this one was started from, and has it look
// at the configuration.
func examine(ctx context.Context, file string) (next examined, err error) {
	if next.path, err = os.Executable(); err != nil { // as it was when this process began
		return next, fmt.Errorf("find the program: %w", err)
	}
	if err := durable.CheckProgram(next.path); err != nil {
		return next, fmt.Errorf("restart as the program that is installed: %w", err)
	}
	if next.digest, err = digestOf(next.path); err != nil {
		return next, fmt.Errorf("read the program that is installed: %w", err)
	}
	ask := func(answer any, args ...string) error {
		cmd := exec.CommandContext(ctx, next.path, args...)
		cmd.Args[0] = os.Args[0]
		out, failed := cmd.Output()
		if err := json.Unmarshal(out, answer); err != nil {
			return fmt.Errorf("run %s %s: %w", next.path, args[0], errors.Join(failed, err))
		}
		return nil
	}
	var b build
	if err := ask(&b, "version", "--json"); err != nil {
		return next, err
	}
	next.version = b.Version
	var checked checkResult
	if err := ask(&checked, "check", "-v", "--json", "--config", file); err != nil {
		return next, err
	}
	next.values = checked.Values
	if !checked.Valid {
		return next, config.Problems(checked.Problems)
	}
	return next, nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// same tells whether the settings name our source and ring.
func (r *restarter) same(values []config.Value) bool {
	value := func(all []config.Value, key string) string {
		if i := slices.IndexFunc(all, func(v config.Value) bool { return v.Key == key }); i >= 0 {
			return all[i].Value
		}
		return ""
	}
	now := r.d.cfg.Effective()
	for _, key := range []string{"audit.source", "run-dir"} {
		if value(now, key) != value(values, key) {
			return false
		}
	}
	return true
}

// stages are what ends one after another in a restart.
type stages struct {
	endBeside, endSending, endStoring context.CancelFunc
	endHearing                        context.CancelCauseFunc
	shut, sent, stored                <-chan struct{} // closed when the entrances, ship, the journal have ended
}

// Run waits for a restart to be granted and ends the stages for it; it returns at
// once when they end for another reason. All but hearing ends first: a source that
// can be handed over hears until the journal is closed, and what it hears then stays
// in the ring.
func (r *restarter) Run(s stages) error {
	select {
	case <-r.asked:
	case <-r.d.ended:
		return nil
	}
	r.d.supervisor.restarts()
	if _, owns := r.d.source.(*auditbridge.Kernel); !owns || !r.next.same {
		r.d.supervisor.forget()
		s.endHearing(errRestart)
		return nil
	}
	s.endBeside()
	s.endSending()
	<-s.shut // whoever carries other programs and does not end holds up nobody's hearing
	<-s.sent
	r.d.losses.finish()
	r.d.journal.Farewell(farewell(errRestart.Error(), nil))
	s.endStoring()
	<-s.stored
	s.endHearing(auditbridge.ErrHandOver)
	return nil
}

// restarting is the answer to askRestart.
type restarting struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"` // when the program that ends was
	Version string    `json:"version"` // of the one that comes
}

// askRestart has run replaced by the program that is installed.
const askRestart = "restart"

func answerRestart(r *restarter) control.Handler {
	return func(ctx context.Context, who control.Peer, _ json.RawMessage) (any, error) {
		return r.restart(ctx, actor(who))
	}
}

// caused tells whether hearing ended for a restart, and nothing came before.
func (*restarter) caused(hear context.Context) bool {
	cause := context.Cause(hear)
	return errors.Is(cause, errRestart) || errors.Is(cause, auditbridge.ErrHandOver)
}

// leave says what is handed over. It comes after all stages and before Close.
func (r *restarter) leave(hear context.Context) *handover {
	left := &handover{PID: os.Getpid(), Version: thisBuild().Version, Confined: r.d.unconfined == nil}
	switch source := r.d.source.(type) {
	case *auditbridge.Multicast:
		left.Seen = source.Seen()
	case *auditbridge.Kernel:
		if !errors.Is(context.Cause(hear), auditbridge.ErrHandOver) {
			break
		}
		bequest, err := source.Bequeath()
		if err != nil {
			r.d.log.Error("the new program opens a socket of its own, and what comes before it does is lost", "error", err)
		}
		left.Socket, left.Seen = bequest.Socket, bequest.Seen
	}
	return left
}

// handOver replaces this program by its successor. It comes after Close, and returns
// only with an error.
func (r *restarter) handOver(left *handover) (err error) {
	if left.Deputy, left.DeputyPID, err = r.d.deputy.Bequeath(); err != nil {
		return fmt.Errorf("hand the deputy over: %w", err)
	}
	return become(r.next.path, left)
}

// become replaces this program. It returns only with an error. If the new one
// cannot be run after all, it is this one again: whoever hears must not be missing.
func become(next string, left *handover) error {
	text, err := json.Marshal(left)
	if err != nil {
		return fmt.Errorf("hand over to %s: %w", next, err)
	}
	// What is ignored stays so until the new program listens: it would end it.
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	environment := append(os.Environ(), handoverVariable+"="+string(text))
	err = syscall.Exec(next, os.Args, environment)
	again := syscall.Exec("/proc/self/exe", os.Args, environment)
	return fmt.Errorf("become %s: %w; and this program again: %w", next, err, again)
}
