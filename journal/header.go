package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"auditbridge/auditbridge"
)

// segmentHeader is what the first line of every segment says: a note,
//
//	type=DAEMON_CONFIG msg=audit(…): op=segment … format=1 journal=ID first=SEQ res=success
type segmentHeader struct {
	format  uint64
	journal ID
	first   auditbridge.Sequence
}

var errNoHeader = errors.New("its first line is not a segment header")

func (h *segmentHeader) note() auditbridge.Note {
	return configNote("segment",
		auditbridge.Number("format", h.format),
		auditbridge.Text("journal", h.journal.String()),
		auditbridge.Number("first", h.first))
}

// parseSegmentHeader reads the first line of a segment. A later version may
// have put more fields into it, so only these are looked for.
func parseSegmentHeader(line []byte) (h segmentHeader, err error) {
	head, ok := auditbridge.ParseHeader(line)
	if !ok || head.Type != auditbridge.TypeDaemonConfig || !bytes.HasPrefix(line[head.Body:], []byte("op=segment ")) {
		return h, errNoHeader
	}
	format, _ := fieldOf(line, "format")
	if h.format, err = strconv.ParseUint(format, 10, 64); err != nil {
		return h, fmt.Errorf("%w: format=%.20q", errNoHeader, format)
	}
	if h.format > FormatVersion {
		return h, nil // what else it says is that version's affair
	}
	journal, _ := fieldOf(line, "journal")
	first, _ := fieldOf(line, "first")
	if h.journal, err = ParseID(journal); err != nil {
		return h, fmt.Errorf("%w: %w", errNoHeader, err)
	}
	n, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return h, fmt.Errorf("%w: first=%.30q", errNoHeader, first)
	}
	h.first = auditbridge.Sequence(n)
	return h, nil
}

// fieldOf returns the value of key in one of our own lines, where no value
// holds a blank.
func fieldOf(line []byte, key string) (string, bool) {
	for field := range bytes.FieldsSeq(line) {
		if k, v, ok := bytes.Cut(field, []byte{'='}); ok && string(k) == key {
			return string(v), true
		}
	}
	return "", false
}

// readHeader returns the header of the segment in f. An empty or torn one is
// errNoHeader; one of a later version is a *NewerError.
func readHeader(f io.ReaderAt, path string) (segmentHeader, error) {
	line, err := readAll(f, 0, 512)
	if err != nil && err != io.EOF {
		return segmentHeader{}, err
	}
	i := bytes.IndexByte(line, '\n')
	if i < 0 {
		return segmentHeader{}, errNoHeader
	}
	h, err := parseSegmentHeader(line[:i])
	if err == nil && h.format > FormatVersion {
		err = &NewerError{path, h.format}
	}
	return h, err
}

// checkFormat refuses a segment a later version wrote. Whatever else may be
// wrong with its first line shows when it is read.
func checkFormat(f *os.File, name string) error {
	_, err := readHeader(f, name)
	if errors.Is(err, ErrNewer) {
		return err
	}
	return nil
}
