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
	if n := len(firsts); n > 1 && pointsAt(dir, linkName, segmentName(firsts[n-2])) {
		shiftLinks(dir, min(n-1, maxLinks))
	}
	for i := range min(len(firsts), maxLinks+1) {
		target := segmentName(firsts[len(firsts)-1-i])
		errs = append(errs, renewLink(dir, linkNumber(i), target))
	}
	return errors.Join(errs...)
}

// shiftLinks makes room for the link of one more segment: moving a link costs a
// tenth of making one. What goes wrong here is mended link by link.
func shiftLinks(dir durable.Dir, n int) {
	for i := n - 1; i >= 0; i-- {
		to := linkNumber(i + 1)
		if _, err := dir.Readlink(to); err != nil && !errors.Is(err, os.ErrNotExist) {
			continue // a file of that name is somebody's log
		}
		if _, err := dir.Readlink(linkNumber(i)); err == nil {
			dir.Rename(linkNumber(i), to)
		}
	}
}

func pointsAt(dir durable.Dir, name, target string) bool {
	at, err := dir.Readlink(name)
	return err == nil && at == target
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
