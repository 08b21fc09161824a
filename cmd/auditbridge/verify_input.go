package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal"
)

// sealedInput is what verify reads: a journal's own segments or any copy. All
// files are opened at once: what retention drops meanwhile is still read.
type sealedInput struct {
	files []inputFile
	own   bool                 // files are a journal's segments, all of them
	first auditbridge.Sequence // of the first segment
	torn  int                  // bytes behind the last LF of a journal
}

type inputFile struct {
	name string
	io.ReadCloser
	size int64 // 0 when it is not known
}

// openFiles opens the parts of a copy in the order given; "-" is stdin.
func openFiles(paths []string, stdin io.Reader) (*sealedInput, error) {
	in := &sealedInput{}
	for _, path := range paths {
		if path == "-" {
			in.files = append(in.files, inputFile{path, io.NopCloser(stdin), 0})
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			in.Close()
			return nil, err
		}
		in.add(f)
	}
	return in, nil
}

// openJournalDir opens a journal's segments by name: the name is the sequence
// of the first line, in twenty digits, so that name order is their order.
func openJournalDir(dir string) (*sealedInput, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	in := &sealedInput{own: true}
	for _, entry := range entries {
		first, ok := journal.ParseSegmentName(entry.Name())
		if !ok {
			continue
		}
		f, err := durable.OpenRegular(filepath.Join(dir, entry.Name()))
		if errors.Is(err, os.ErrNotExist) && len(in.files) == 0 {
			continue // retention has just dropped it; the journal begins behind it
		}
		if err != nil {
			in.Close()
			return nil, err
		}
		if in.add(f); len(in.files) == 1 {
			in.first = first
		}
	}
	if len(in.files) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, errNoSegments)
	}
	return in, nil
}

var errNoSegments = errors.New("no segments here")

// newest leaves only the last file.
func (in *sealedInput) newest() *sealedInput {
	last := len(in.files) - 1
	for _, f := range in.files[:last] {
		f.Close()
	}
	in.files = in.files[last:]
	return in
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// unanswered is a question that could not be answered, which is no bad answer:
// it exits 2.
type unanswered struct{ error }

func (e unanswered) Unwrap() error { return e.error }
func (e unanswered) ExitCode() int { return 2 }

// noAnswer says which command could not answer, and what to do.
func noAnswer(command string, err error) error {
	failed := fmt.Errorf("%s: %w", command, err)
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		return unanswered{failed}
	case errors.Is(err, os.ErrPermission):
		return unanswered{withHint(failed, "a journal is root's: run `sudo auditbridge "+command+"` with the same arguments")}
	case errors.Is(err, os.ErrNotExist), errors.Is(err, errNoSegments):
		return unanswered{withHint(failed, "name a journal directory (journal-dir in the configuration), the files of a copy, or - for standard input")}
	}
	return unanswered{failed}
}

func (in *sealedInput) add(f *os.File) {
	var size int64
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	in.files = append(in.files, inputFile{f.Name(), f, size})
}

func (in *sealedInput) Close() {
	for _, f := range in.files {
		f.Close()
	}
}

func (in *sealedInput) size() (sum int64) {
	for _, f := range in.files {
		sum += f.size
	}
	return sum
}

// each hands over every line, without its LF. A last line without LF counts in
// a copy; at a journal's end it is still being written.
func (in *sealedInput) each(take func(line []byte), p *progress) error {
	for i, f := range in.files {
		last := i == len(in.files)-1
		err := eachLine(f, p, func(line []byte, whole bool) {
			if !whole && in.own && last {
				in.torn = len(line)
				return
			}
			take(line)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// maxInputLine bounds a line in bytes: no record with any header is as long.
const maxInputLine = 1 << 20

// eachLine cuts r into lines. What is longer than maxInputLine comes in
// pieces, none of which is a record then.
func eachLine(r io.Reader, p *progress, take func(line []byte, whole bool)) error {
	b := bufio.NewReaderSize(r, maxInputLine)
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			whole := line[len(line)-1] == '\n'
			take(bytes.TrimSuffix(line, []byte{'\n'}), whole || err == bufio.ErrBufferFull)
			p.add(len(line))
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && err != bufio.ErrBufferFull:
			return err
		}
	}
}
