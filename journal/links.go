package journal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
)

// renewLinks makes audit.log, audit.log.1 … point at the newest segments, the
// newest first, as ausearch -if wants them, and removes those left over. Links
// serve people and are made anew at every start: nothing depends on them.
func renewLinks(dir durable.Dir, firsts []auditbridge.Sequence) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if i, ok := parseLinkName(name); ok && i >= len(firsts) {
			if _, err := dir.Readlink(name); err == nil { // never a file: auditd's logs have these names
				errs = append(errs, dir.Remove(name))
			}
		}
	}
	for i := range min(len(firsts), maxLinks+1) {
		target := segmentName(firsts[len(firsts)-1-i])
		errs = append(errs, renewLink(dir, linkNumber(i), target))
	}
	return errors.Join(errs...)
}

func renewLink(dir durable.Dir, name, target string) error {
	old, err := dir.Readlink(name)
	if err == nil && old == target {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // a file of that name is somebody's log
	}
	temp := name + ".tmp"
	if err := dir.Symlink(target, temp); err != nil {
		if !errors.Is(err, os.ErrExist) {
			return err
		}
		dir.Remove(temp) // of a process that died here
		if err := dir.Symlink(target, temp); err != nil {
			return err
		}
	}
	return dir.Rename(temp, name)
}

func linkNumber(i int) string {
	if i == 0 {
		return linkName
	}
	return fmt.Sprintf("%s.%d", linkName, i)
}

func parseLinkName(name string) (i int, ok bool) {
	if name == linkName {
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, linkName+".")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i > 0 && linkNumber(i) == name
}
