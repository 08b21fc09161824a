package warning

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// filesystemOf is the topmost directory of the file system that dir is on, or will
// be; "" when that cannot be told.
func filesystemOf(dir string) string {
	var at, above unix.Stat_t
	for unix.Stat(dir, &at) != nil {
		if dir == "/" || !filepath.IsAbs(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
	for dir != "/" {
		if unix.Stat(filepath.Dir(dir), &above) != nil || above.Dev != at.Dev {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// ownFilesystem tells whether the file system mounted at place is there for the
// journal: mounted at its directory, or in the place of audit's logs, or with
// nothing else in it.
func ownFilesystem(place, dir string) bool {
	const logs = "/var/log/audit"
	if place == dir || place == logs || strings.HasPrefix(place, logs+"/") {
		return true
	}
	rest, err := filepath.Rel(place, dir)
	if err != nil {
		return false
	}
	towards, _, _ := strings.Cut(rest, "/")
	entries, err := os.ReadDir(place)
	for _, e := range entries {
		if e.Name() != towards && e.Name() != "lost+found" {
			return false
		}
	}
	return err == nil
}
