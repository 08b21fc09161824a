package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// PathError says why a path cannot be trusted.
type PathError struct {
	Path string // the component at fault
	Why  string
	Hint string

	foreign bool // its owner is the fault
}

func (e *PathError) Error() string { return e.Path + ": " + e.Why }

// what is the text of e for somebody who already knows that name is meant.
func (e *PathError) what(name string) string {
	if e.Path == name {
		return e.Why
	}
	return e.Path + " " + e.Why
}

// checkPath walks an absolute path from the root down as far as it exists. No
// component may be a symbolic link, belong to anyone but root and the running
// user (or one of owners), or be writable by group or others (a sticky
// directory such as /tmp may). Once all that holds nobody else can exchange a
// component, so whoever opens the path afterwards opens what was checked.
func checkPath(path string, owners ...int) error {
	if !filepath.IsAbs(path) {
		return &PathError{Path: path, Why: "is not an absolute path"}
	}
	at := "/"
	for _, part := range strings.Split(strings.Trim(filepath.Clean(path), "/"), "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if os.IsNotExist(err) && at != path {
			return nil
		}
		if err != nil {
			return err
		}
		if err := checkComponent(at, info, owners); err != nil {
			return err
		}
	}
	return nil
}

func checkComponent(at string, info fs.FileInfo, owners []int) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		hint := "write the real path"
		if real, err := filepath.EvalSymlinks(at); err == nil {
			hint = "write the real path, " + real
		}
		return &PathError{Path: at, Why: "is a symbolic link", Hint: hint}
	}
	owner := ownerOf(info)
	if owner != 0 && owner != os.Geteuid() && !slices.Contains(owners, owner) {
		return &PathError{Path: at, Why: fmt.Sprintf("belongs to uid %d, neither root nor the running user", owner), Hint: "chown root " + at, foreign: true}
	}
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	if mode := info.Mode().Perm(); mode&0o022 != 0 && !sticky {
		return &PathError{Path: at, Why: fmt.Sprintf("is writable by group or others (mode %04o)", mode), Hint: "chmod go-w " + at}
	}
	return nil
}
