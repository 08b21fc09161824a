// Package config turns auditbridge.toml and conf.d/*.toml into each package's
// Config. It is strict: a key it does not know, a key set twice, a value out of
// range or a file that others could have written is an error that names file,
// line and column, and all of them are reported at once.
//
// Data flows one way: files → Settings (decode.go) → complete Settings, every
// default and derived value filled in (complete.go) → the packages' Configs
// (compile.go).
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"auditbridge/forward/tlslink"
)

// DefaultFile is read when no --config is given; conf.d beside it is read too.
const DefaultFile = "/etc/auditbridge/auditbridge.toml"

// Config is a complete, consistent configuration: no value is missing.
type Config struct {
	Settings

	// Files are the files read, in order.
	Files []string
	// Warnings are what works and is still unwise, in the order of the files.
	Warnings []Problem

	origins map[string]origin
	held    []holding                // by the key files, when they were read
	inTLS   map[string]*tlslink.Held // of these, what each server in TLS has
	view    *tlslink.Viewer          // of their files, while they are read
}

// source is one file's name and bytes.
type source struct {
	name string
	data []byte
}

// Load reads file and the *.toml files of conf.d beside it. Its error is a
// Problems with everything that is wrong. The Config is never nil: with an
// error it holds what could be understood, for listing only.
func Load(file string) (*Config, error) {
	return load(file, func(sources []source) []source { return sources })
}

// Places is what file and conf.d say of where auditbridge keeps what, and where it
// answers, for a command that asks nothing else: what is wrong with the rest is not
// said, and nothing that it names is looked at.
func Places(file string) *Config {
	sources, _ := read(file)
	c, _ := parse(sources)
	return c
}

// load is Load of what change makes of the files.
func load(file string, change func([]source) []source) (*Config, error) {
	sources, problems := read(file)
	sources = change(sources)
	c, more := parse(sources)
	if len(problems) > 0 {
		c.Warnings = nil // what a file that could not be read says may answer them
	}
	problems = append(problems, more...)
	c.view = new(tlslink.Viewer)
	more, warnings := c.probe()
	problems = append(problems, more...)
	c.Warnings = append(c.Warnings, warnings...)
	c.held, c.inTLS = c.holdings(), c.heldInTLS()
	c.view = nil
	if len(problems) == 0 {
		problems = c.validate()
	}
	if len(problems) > 0 {
		return c, problems
	}
	return c, nil
}

// parse is Load without the file system: the same bytes give the same answer.
func parse(sources []source) (*Config, Problems) {
	c := &Config{origins: map[string]origin{}}
	d := decoder{settings: &c.Settings, origins: c.origins}
	for _, s := range sources {
		c.Files = append(c.Files, s.name)
		d.file(s)
	}
	d.defaults()
	problems := append(d.problems, c.complete()...)
	if len(problems) == 0 {
		c.advise()
	}
	problems.sort(c.Files)
	return c, problems
}

// read returns the files in the order in which they are joined.
func read(file string) ([]source, Problems) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, Problems{{At: Position{File: file}, What: err.Error()}}
	}
	var sources []source
	var problems Problems
	dropIns, err := dropInsOf(file)
	if err != nil {
		problems = append(problems, asProblem(filepath.Dir(file)+"/conf.d", err))
	}
	for _, name := range append([]string{file}, dropIns...) {
		data, err := readTrusted(name)
		if err != nil {
			problems = append(problems, asProblem(name, err))
			continue
		}
		sources = append(sources, source{name, data})
	}
	return sources, problems
}

// dropInsOf lists conf.d/*.toml beside file in the order of their names. As in a
// shell, * is no name that begins with a dot: editors keep theirs there. That
// there is no conf.d is fine; that it cannot be read is not.
func dropInsOf(file string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(file), "conf.d")
	entries, err := os.ReadDir(dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, err
}

// maxFile bounds what is read into memory; a real configuration is a few kB.
const maxFile = 256 << 10

// readTrusted reads a regular file that nobody but root and the running user
// could have put there or written to.
func readTrusted(name string) ([]byte, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // a FIFO must not be waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &PathError{Path: name, Why: "is not a regular file"}
	}
	if info.Size() > maxFile {
		return nil, &PathError{Path: name, Why: fmt.Sprintf("has %d bytes, more than any configuration (at most %d)", info.Size(), maxFile)}
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if int64(n) < info.Size() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}
