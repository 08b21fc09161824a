package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"

	"auditbridge/internal/deputy"
	"auditbridge/internal/forbid"

	"golang.org/x/sys/unix"
)

// confineRun begins the deputy and then forbids run, for good, to open a network
// socket and whatever else it never needs. Where the kernel has no seccomp,
// recording is worth more than being confined: unconfined says why, which is to be
// told. After a restart in place run is confined already, so that another deputy would
// be, too: the one before goes on.
func confineRun(from inheritance, log *slog.Logger) (d *deputy.Deputy, unconfined error, err error) {
	if from.restarted {
		d, err = deputy.Inherited(from.Deputy, from.DeputyPID)
	} else {
		d, err = beginDeputy()
	}
	if err != nil {
		return nil, nil, err
	}
	if from.Confined && from.Version == thisBuild().Version {
		return d, nil, nil // by the same filter; each further one would cost time at every call
	}
	err = runCalls.Apply()
	if errors.Is(err, forbid.ErrUnsupported) {
		log.Error("run is not confined", "err", err)
		return d, err, nil
	}
	if err != nil {
		d.Close()
		return nil, nil, fmt.Errorf("forbid run the system calls it does not need: %w", err)
	}
	return d, nil, nil
}

// beginDeputy starts `auditbridge deputy`, which can gain no new privileges, nor
// can what it starts.
func beginDeputy() (d *deputy.Deputy, err error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"auditbridge", "deputy"}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	begun := make(chan struct{})
	go func() { // the property is a thread's and stays, so the thread ends with its goroutine
		defer close(begun)
		runtime.LockOSThread() // never unlocked
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			d, err = deputy.Begin(cmd)
		}
	}()
	<-begun
	if err != nil {
		return nil, fmt.Errorf("start run's deputy: %w", err)
	}
	return d, nil
}
