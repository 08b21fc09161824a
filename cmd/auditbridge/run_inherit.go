package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"auditbridge/auditbridge"
	"auditbridge/internal/boot"
	"auditbridge/internal/durable"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// inheritance is what run begins with: the zero value on a fresh start, else what a
// run before it left, be it the program that has put this one in its place or a
// process that was killed.
type inheritance struct {
	handover
	restarted bool    // in this process, another program was before
	left      *estate // nil: whoever was before has given all back
}

// handover is what a program hands to the one that takes its place, in the
// environment; of a killed process the service manager may have its socket.
type handover struct {
	PID    int              `json:"pid"`    // for whom it is
	Socket int              `json:"socket"` // the kernel's audit socket; 0: not handed over
	Seen   auditbridge.Seen `json:"seen"`   // what had come over it
	Stop   bool             `json:"stop"`   // the program was told to end when it was too late

	Version   string `json:"version"`  // of the program
	Confined  bool   `json:"confined"` // by what that version forbids itself, for good
	Deputy    int    `json:"deputy"`   // the line to its deputy
	DeputyPID int    `json:"deputy-pid"`
}

// estate is what an heir needs whatever becomes of us. It is in run-dir from before
// the kernel is changed until that is undone.
type estate struct {
	Boot  string              `json:"boot"`
	Found *auditbridge.Status `json:"found"` // kernel audit before it was first taken; nil for a listener
	Lost  int64               `json:"lost"`  // the kernel's counter, as far as it is on record
}

const (
	estateFile       = "estate.json"
	handoverVariable = "AUDITBRIDGE_HANDOVER"
	storedSocket     = "kernel-audit" // its name in the service manager's descriptor store
)

// inherit takes what is in the environment for us.
func inherit() (from inheritance, err error) {
	stored, err := fromStore()
	if err != nil {
		return from, err
	}
	if text, set := os.LookupEnv(handoverVariable); set {
		os.Unsetenv(handoverVariable)
		if err := json.Unmarshal([]byte(text), &from.handover); err != nil {
			return from, fmt.Errorf("understand what the program before this one left in %s: %w", handoverVariable, err)
		}
		from.restarted = from.PID == os.Getpid()
	}
	if !from.restarted { // it was left to nobody, or to another process
		from.handover = handover{Socket: stored}
	}
	return from, nil
}

// find finds the rest in run-dir. What cannot be read keeps nobody from recording.
func (from *inheritance) find(runDir string, log *slog.Logger) error {
	id, err := boot.ID()
	if err != nil {
		return err
	}
	var left estate
	switch err := durable.Left(runDir, estateFile, mostState, &left); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		log.Warn("what kernel audit was like before a run that was killed is not known", "err", err)
	case left.Boot == id:
		from.left = &left
	}
	return nil
}

// fromStore takes the socket that the service manager kept of a process before this
// one (sd_listen_fds(3)); 0 when it has none.
func fromStore() (socket int, err error) {
	for _, f := range activation.Files(true) {
		if f.Name() == storedSocket && socket == 0 && err == nil {
			if socket, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
				err = fmt.Errorf("take the audit socket from the service manager: %w", err)
			}
		}
		f.Close()
	}
	return socket, err
}

// inherits tells whether the kernel's audit socket is one that was left to us: what the
// kernel has sent since is in it.
func (d *daemon) inherits() bool {
	kernel, owns := d.source.(*auditbridge.Kernel)
	return owns && kernel.Inherits()
}

// openKernel opens the source "kernel" with what was left for it. From here on an
// heir of ours finds what it needs: the socket with the service manager, the rest in
// run-dir.
func (d *daemon) openKernel() error {
	cfg := d.cfg.Kernel()
	cfg.Logger = d.log
	cfg.ExemptionFile = d.cfg.ExemptionFile()
	cfg.Inherited = auditbridge.Inheritance{Socket: d.heir.Socket, Seen: d.heir.Seen}
	left := d.heir.left
	if left != nil {
		cfg.Inherited.Found = left.Found
	}
	k, err := auditbridge.OpenKernel(cfg, d.ring)
	if err != nil {
		return err
	}
	d.source, d.hears, d.losses.kernel = k, k, k
	if left == nil || left.Found == nil {
		err = d.losses.begin()
	} else {
		d.losses.resume(left.Lost)
	}
	if err != nil {
		return err
	}
	if k.Inherits() {
		d.supervisor.keeps()
	} else {
		k.Keep(d.supervisor.keep)
	}
	found := k.Found()
	d.losses.keep = func(counter int64) error { return d.leaveEstate(&found, counter) }
	return d.losses.keep(d.losses.counter.last)
}

// dropSocket gives up a socket that nobody is to hear any more.
func (d *daemon) dropSocket() {
	if d.heir.Socket == 0 {
		return
	}
	d.log.Warn("a killed process left the kernel's audit socket, but the source is another now: records are no longer taken from it", "source", d.cfg.Audit.Source)
	unix.Close(d.heir.Socket)
	d.supervisor.keeps()
	d.supervisor.forget()
}

func (d *daemon) leaveEstate(found *auditbridge.Status, lost int64) error {
	id, err := boot.ID()
	if err == nil {
		err = durable.Leave(d.cfg.RunDir, 0, estateFile, estate{id, found, lost})
	}
	if err != nil {
		return fmt.Errorf("leave in %s what an heir needs: %w", d.cfg.RunDir, err)
	}
	return nil
}

// removeEstate says that all was given back.
func (d *daemon) removeEstate() {
	if d.hears == nil {
		return
	}
	if err := os.Remove(filepath.Join(d.cfg.RunDir, estateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the next start takes this one for killed", "err", err)
	}
}
