package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"auditbridge/rules"
)

// mostLog is how much of the newest log is asked how many events rules make: it
// takes a tenth of a second.
const mostLog = 64 << 20

// logVolume counts the events of each key in the newest part of the journal, or of
// auditd's log where there is none.
func logVolume(journalDir string) *rules.Volume {
	v := &rules.Volume{}
	files, _ := filepath.Glob(filepath.Join(journalDir, "[0-9]*.log"))
	slices.Sort(files)
	slices.Reverse(files) // the newest first
	if len(files) == 0 {
		files, _ = filepath.Glob("/var/log/audit/audit.log*")
	}
	left := int64(mostLog)
	for _, name := range files {
		if left -= countLog(v, name, left); left <= 0 {
			break
		}
	}
	return v
}

// countLog counts the last so many bytes of a file, and says how many there were.
func countLog(v *rules.Volume, name string, most int64) int64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	from := max(0, info.Size()-most)
	f.Seek(from, io.SeekStart)
	lines := bufio.NewReaderSize(f, 64<<10)
	for rest := from > 0; ; rest = err == bufio.ErrBufferFull { // what stands first is the rest of a line
		var line []byte
		if line, err = lines.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
			return info.Size() - from
		}
		if !rest {
			v.Count(line)
		}
	}
}

// writeVolume says what check knows of how much rules write.
func writeVolume(w io.Writer, v *rules.Volume, d *rules.Desired) error {
	all := v.Of(d)
	if all == nil {
		return nil
	}
	if _, err := fmt.Fprintf(w, "volume, by the log from %s to %s:\n", v.From.UTC().Format("2006-01-02 15:04"), v.To.UTC().Format("2006-01-02 15:04 MST")); err != nil {
		return err
	}
	for _, k := range all {
		if err := writeLines(w, fmt.Sprintf("  key=%s %s, %.0f events a day\n", k.Key, count(k.Rules, "rule"), k.PerDay)); err != nil {
			return err
		}
	}
	return nil
}
