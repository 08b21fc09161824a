package main

import (
	"crypto/fips140"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"

	"auditbridge/forward"

	"golang.org/x/sys/unix"
)

// The descriptors on which ship finds its line to run, and the journal's
// directory: under that name it opens it whatever the modes of the directories
// above are.
const (
	shipConn    = 3
	shipJournal = "/proc/self/fd/4"
)

// shipProcess is a running ship and the line to it.
type shipProcess struct {
	*os.File
	cmd *exec.Cmd
}

func (p shipProcess) Kill() error { return p.cmd.Process.Kill() }
func (p shipProcess) Wait() error { return p.cmd.Wait() }

// startShip starts `auditbridge ship` as the unprivileged user, with nothing
// but its line to us and the journal's directory: no standard input, no
// environment but the time zone, no capabilities, and no way to new ones. It is
// the same program file, even when that was replaced meanwhile. When we die,
// the line breaks and ship ends.
func (d *daemon) startShip() (forward.Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a line to ship: %w", err)
	}
	// Non-blocking, so that closing it ends a read.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, fmt.Errorf("make a line to ship: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ship"), os.NewFile(uintptr(pair[1]), "run")
	defer theirs.Close()
	journal, err := os.OpenFile(d.cfg.JournalDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("hand the journal to ship: %w", err)
	}
	defer journal.Close()
	cmd := exec.Command("/proc/self/exe", "ship")
	cmd.Args[0] = "auditbridge"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	if zone, ok := os.LookupEnv("TZ"); ok { // RFC 3164 has the sender's own time
		cmd.Env = append(cmd.Env, "TZ="+zone)
	}
	if fips140.Enabled() { // GODEBUG said so, or the build did
		cmd.Env = append(cmd.Env, "GODEBUG=fips140=on")
	}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs, journal} // shipConn and shipJournal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		if cmd.SysProcAttr.Credential, err = d.shipCredential(); err != nil {
			ours.Close()
			return nil, err
		}
	}
	if err := startRenounced(cmd); err != nil {
		ours.Close()
		return nil, fmt.Errorf("start %v: %w", cmd.Args, err)
	}
	return shipProcess{ours, cmd}, nil
}

// startRenounced starts cmd from a thread that can gain no new privileges; so
// neither can any thread of cmd's. The property is a thread's and stays, so the
// thread ends with its goroutine.
func startRenounced(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// shipCredential is the user ship runs as. Only root can and must change user.
func (d *daemon) shipCredential() (*syscall.Credential, error) {
	uid, err := d.cfg.ShipUID()
	if err != nil {
		return nil, withHint(err, "make the user: useradd --system --no-create-home --shell /usr/sbin/nologin "+d.cfg.ShipUser)
	}
	if uid == 0 {
		return nil, withHint(fmt.Errorf("ship-user is root: ship owns the network and must not be privileged"), "give ship a user of its own")
	}
	own, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return nil, fmt.Errorf("look up ship-user: %w", err)
	}
	gid, err := strconv.ParseUint(own.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("look up ship-user: group %q: %w", own.Gid, err)
	}
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if readers, err := d.cfg.GroupID(); err != nil {
		return nil, err
	} else if readers >= 0 {
		c.Groups = []uint32{uint32(readers)}
	}
	return c, nil
}

// shipGroup is the group that may read the journal when log-group does not name
// one: ship's own. -1 when ship runs as ourselves, or there is no such user and
// nothing to send.
func (d *daemon) shipGroup() (int, error) {
	if os.Geteuid() != 0 {
		return -1, nil
	}
	c, err := d.shipCredential()
	if err != nil && len(d.cfg.Servers) == 0 {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	return int(c.Gid), nil
}
