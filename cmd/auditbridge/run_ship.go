package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// shipConn is the descriptor on which ship finds its line to run.
const shipConn = 3

// startShip starts `auditbridge ship` as the unprivileged user, with nothing
// but its line to us: no standard input, no environment, no capabilities. It is
// the same program file, even when that was replaced meanwhile. When we die,
// the line breaks and ship ends.
func (d *daemon) startShip() (io.ReadWriteCloser, func() error, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a line to ship: %w", err)
	}
	// Non-blocking, so that closing it ends a read.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, nil, fmt.Errorf("make a line to ship: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ship"), os.NewFile(uintptr(pair[1]), "run")
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe", "ship")
	cmd.Args[0] = "auditbridge"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "TZ=UTC"}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // becomes descriptor shipConn
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		if cmd.SysProcAttr.Credential, err = d.shipCredential(); err != nil {
			ours.Close()
			return nil, nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("start %v: %w", cmd.Args, err)
	}
	return ours, cmd.Wait, nil
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
// one: ship's own. -1 when ship runs as ourselves.
func (d *daemon) shipGroup() (int, error) {
	if os.Geteuid() != 0 || len(d.cfg.Servers) == 0 {
		return -1, nil
	}
	c, err := d.shipCredential()
	if err != nil {
		return -1, err
	}
	return int(c.Gid), nil
}
