package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// rulesLockFile is locked, in state-dir, by whoever makes the kernel's rules what
// files say: until what was loaded is written down, the kernel differs from it.
const rulesLockFile = "rules.lock"

// lockRules waits until nobody else loads rules.
func lockRules(stateDir string) (*os.File, error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, err
	}
	return flockRules(stateDir, unix.LOCK_EX)
}

// tryLockRules returns nil when somebody loads rules right now.
func tryLockRules(stateDir string) (*os.File, error) {
	f, err := flockRules(stateDir, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return nil, nil
	}
	return f, err
}

func flockRules(stateDir string, how int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(stateDir, rulesLockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock rules: %w", err)
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
