package main

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"auditbridge/config"
	"auditbridge/forward"
	"auditbridge/internal/deputy"

	"golang.org/x/sys/unix"
)

// The descriptors on which ship finds its line to run, and what it works on: the
// journal's directory, which under that name it opens whatever the modes of the
// directories above are, or an entrance's socket.
const (
	shipConn    = 3
	shipWork    = 4
	shipJournal = "/proc/self/fd/4"
)

// shipProcess is a running ship and the line to it.
type shipProcess struct {
	*os.File
	process *deputy.Process
}

func (p shipProcess) Kill() error { return p.process.Kill() }
func (p shipProcess) Wait() error { return p.process.Wait() }

// startRelays makes a ship that sends what the journal holds.
func (d *daemon) startRelays() (forward.Process, error) {
	journal, err := os.OpenFile(d.cfg.JournalDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("hand the journal to ship: %w", err)
	}
	defer journal.Close()
	return d.startShip(journal)
}

// startShip has the deputy start `auditbridge ship` as the unprivileged user,
// with nothing but its line to us and what it works on: no standard input, no environment but the time zone, no capabilities, and no way to new
// ones. It is our own program file, even when that was replaced meanwhile. When
// we die, ship ends.
func (d *daemon) startShip(work *os.File) (forward.Process, error) {
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
	program, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("find the program of ship: %w", err)
	}
	defer program.Close()
	order := deputy.Order{
		Args:    shipArgs,
		Program: program,
		Env:     []string{"PATH=/usr/bin:/bin"},
		Files:   []*os.File{theirs, work}, // shipConn and shipWork
	}
	if zone, ok := os.LookupEnv("TZ"); ok { // RFC 3164 has the sender's own time
		order.Env = append(order.Env, "TZ="+zone)
	}
	if fips140.Enabled() { // GODEBUG said so, or the build did
		order.Env = append(order.Env, "GODEBUG=fips140=on")
	}
	if os.Geteuid() == 0 {
		if order.User, err = shipCredential(d.cfg); err != nil {
			ours.Close()
			return nil, err
		}
	}
	process, err := d.deputy.Start(order)
	if err != nil {
		ours.Close()
		if errors.Is(err, deputy.ErrGone) { // nobody who is confined can start another
			err = fmt.Errorf("%w: systemctl restart auditbridge", err)
		}
		return nil, fmt.Errorf("start %q: %w", order.Args, err)
	}
	return shipProcess{ours, process}, nil
}

// shipCredential is the user ship runs as. Only root can and must change user.
func shipCredential(cfg *config.Config) (*deputy.User, error) {
	uid, err := cfg.ShipUID()
	if err != nil {
		return nil, withHint(err, "make the user: useradd --system --no-create-home --shell /usr/sbin/nologin "+cfg.ShipUser)
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
	c := &deputy.User{UID: uint32(uid), GID: uint32(gid)}
	if readers, err := cfg.GroupID(); err != nil {
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
	c, err := shipCredential(d.cfg)
	if err != nil && len(d.cfg.Servers) == 0 {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	return int(c.GID), nil
}
