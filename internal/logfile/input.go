package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
)

// Input is one thing to read.
type Input struct {
	Name string // as it was given or found; "standard input"
	Size int64  // bytes on disk, 0 when there is no telling

	file  *os.File  // opened already, so that rotation cannot take it away
	from  io.Reader // standard input
	taken atomic.Int64
}

// Taken returns how many of the Size bytes have been read so far. It may be
// called while another goroutine reads.
func (in *Input) Taken() int64 { return in.taken.Load() }

// Open returns what the input says, decompressed and decoded. What it cannot
// read it says in an error of type *Problem, here or from Read; all that came
// before holds. Opening a FIFO waits for its writer.
func (in *Input) Open() (io.ReadCloser, error) {
	f := in.file
	switch {
	case in.from != nil:
		return in.decode(io.NopCloser(in.from))
	case f == nil:
		var err error
		if f, err = os.Open(in.Name); err != nil {
			return nil, problemOf(in.Name, err)
		}
	}
	in.file = nil
	return in.decode(f)
}

// Close lets go of an input that was not opened.
func (in *Input) Close() {
	if in.file != nil {
		in.file.Close()
		in.file = nil
	}
}

func (in *Input) decode(raw io.ReadCloser) (io.ReadCloser, error) {
	r, release, err := decode(&counted{raw, &in.taken})
	d := &decoded{in, r, func() { release(); raw.Close() }}
	if err != nil {
		d.Close()
		return nil, in.explain(err)
	}
	return d, nil
}

type decoded struct {
	in      *Input
	r       io.Reader
	release func()
}

func (d *decoded) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if err != nil && err != io.EOF {
		err = d.in.explain(err)
	}
	return n, err
}

func (d *decoded) Close() error {
	d.release()
	return nil
}

func (in *Input) explain(err error) error {
	p := problemOf(in.Name, err)
	if other := (*foreign)(nil); errors.As(err, &other) && in.from == nil {
		p.hint = fmt.Sprintf(other.way, shellWord(in.Name))
	}
	return p
}

type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// Problem is an input that cannot be read, or not to its end.
type Problem struct {
	Name string
	Err  error
	hint string
}

func (p *Problem) Error() string { return p.Name + ": " + p.Err.Error() }
func (p *Problem) Unwrap() error { return p.Err }

// Hint says what to do about it, "" for nothing.
func (p *Problem) Hint() string { return p.hint }

func problemOf(name string, err error) *Problem {
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err // its name is ours
	}
	p := &Problem{Name: name, Err: err}
	if errors.Is(err, os.ErrPermission) {
		p.hint = "audit logs are readable by root only: try sudo"
	}
	return p
}

// LeftOut is no problem, but worth saying: of a directory, the files that are
// called like an audit log and not as rotation calls them. What they are is not
// known: a log that somebody moved out of the way, or an editor's copy of another.
type LeftOut struct {
	Directory string
	Names     []string
}

func (l *LeftOut) Error() string {
	return l.Directory + ": left out, name them to have them read: " + strings.Join(l.Names, ", ")
}
