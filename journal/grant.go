package journal

import (
	"errors"
	"os"
	"strings"

	"auditbridge/internal/durable"
)

// grant gives the directory, the quarantine, and everything that is not opened
// anyway at a start, the mode and group of the configuration: who may read is
// decided by what is configured now, not by what was when a file was made. What
// cannot be changed is said and left: recording goes before being read.
func (j *Journal) grant(names []string) {
	if name, ok := foreign(names); ok {
		j.log.Warn("journal-dir holds files that are not the journal's; its own mode and group are left as they are",
			"dir", j.cfg.Dir, "file", name, "hint", "give the journal a directory of its own, or see to it that log-group may enter this one")
	} else {
		j.granted(j.dir.Grant(j.cfg.dirMode(), j.cfg.GroupID))
	}
	quarantine, err := j.openDir(j.cfg.Dir+"/"+quarantineName, 0, -1)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			j.granted(err)
		}
		return
	}
	defer quarantine.Close()
	j.granted(quarantine.Grant(j.cfg.dirMode(), j.cfg.GroupID))
	copies, err := quarantine.Names()
	j.granted(err)
	for _, name := range copies {
		j.grantFile(quarantine, name)
	}
}

func (j *Journal) grantFile(dir durable.Dir, name string) {
	f, err := dir.Open(name, os.O_RDONLY, 0)
	if err == nil {
		err = f.Grant(j.cfg.fileMode(), j.cfg.GroupID)
		f.Close()
	}
	j.granted(err)
}

func (j *Journal) granted(err error) {
	if err != nil {
		j.log.Warn("who may read the journal cannot be set", "err", err, "hint", "set mode and group by hand, or run as root")
	}
}

// foreign returns a name that no journal makes.
func foreign(names []string) (name string, ok bool) {
	for _, name := range names {
		base := strings.TrimSuffix(name, ".tmp")
		_, isLink := parseLinkName(base)
		_, isSegment := ParseSegmentName(base)
		switch base {
		case nextName, markName, lockName, quarantineName, "lost+found":
		default:
			if !isLink && !isSegment {
				return name, true
			}
		}
	}
	return "", false
}
