package logfile

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// name is what a file's name says of its place among the files of its log.
type name struct {
	path       string
	log        string // the same for all files of one log: directory and base
	base       string // without what rotation and compression added
	number     int    // audit.log.7
	date       string // audit.log-20240306, audit.log.20240306
	segment    auditbridge.Sequence
	compressed bool
}

func parseName(path string) name {
	dir, base := filepath.Split(path)
	n := name{path: path, base: base}
	if ext := filepath.Ext(base); isCompression(ext) {
		n.base, n.compressed = strings.TrimSuffix(base, ext), true
	}
	if first, ok := journal.ParseSegmentName(n.base); ok {
		n.segment, n.log = first, dir
		return n
	}
	if i := strings.LastIndexByte(n.base, '.'); i > 0 {
		if number, err := strconv.ParseUint(n.base[i+1:], 10, 16); err == nil {
			n.number, n.base = int(number), n.base[:i]
		} else if isDate(n.base[i+1:]) {
			n.date, n.base = n.base[i+1:], n.base[:i]
		}
	}
	if i := strings.IndexByte(n.base, '-'); i > 0 && isDate(n.base[i+1:]) {
		n.date, n.base = n.base[i+1:], n.base[:i]
	}
	n.log = dir + n.base
	return n
}

func isCompression(ext string) bool {
	switch ext {
	case ".gz", ".zst", ".bz2", ".xz", ".lz4":
		return true
	}
	return false
}

// isDate knows what logrotate's dateext appends, behind a hyphen or a dot:
// 20240306, 20240306-163422, 2024-03-06, 1709742864.
func isDate(s string) bool {
	return len(s) >= 8 && strings.Trim(s, "0123456789-") == ""
}

// older orders files of one log, the oldest first.
func older(a, b name) int {
	if a.segment != 0 || b.segment != 0 {
		return cmp.Compare(a.segment, b.segment)
	}
	if (a.date == "") != (b.date == "") { // the one without a date is still written
		return cmp.Compare(b.date, a.date)
	}
	return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(b.number, a.number))
}
