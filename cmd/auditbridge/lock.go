package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const (
	// rulesLockFile is locked, in state-dir, by whoever makes the kernel's rules what
	// files say: until what was loaded is written down, the kernel differs from it.
	rulesLockFile = "rules.lock"
	// remoteLockFile is locked, beside the configuration, by whoever changes a drop-in by
	// command. Who may not change the configuration fails at it, and a rule that watches
	// that folder says so.
	remoteLockFile = ".remote.lock"
)

// lockRules waits until nobody else loads rules.
func lockRules(stateDir string) (*os.File, error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, err
	}
	return flock(filepath.Join(stateDir, rulesLockFile), unix.LOCK_EX)
}

// lockRemote waits until nobody else changes a server by command, and says so.
func lockRemote(cmd *cobra.Command) (*os.File, error) {
	file := filepath.Join(filepath.Dir(configFile(cmd)), remoteLockFile)
	f, err := flock(file, unix.LOCK_EX|unix.LOCK_NB)
	if err != unix.EWOULDBLOCK {
		return f, err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "waiting for another command that changes a server")
	return flock(file, unix.LOCK_EX)
}

// tryLockRules returns nil when somebody loads rules right now.
func tryLockRules(stateDir string) (*os.File, error) {
	f, err := flock(filepath.Join(stateDir, rulesLockFile), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return nil, nil
	}
	return f, err
}

func flock(file string, how int) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep others from changing the same: %w", err)
	}
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(f.Fd()), how)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
