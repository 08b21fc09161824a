package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/diskguard"
)

// watchSettings reads the configuration when its files have changed. One that is
// not valid leaves the last that was in force; where there was none, it is used as
// far as it goes: that run cannot start with it is what there is to tell. So it is
// with a run-dir that cannot be made; then the usual one is ours.
type watchSettings struct {
	file  string
	again bool // the next read is the first one's result once more
	stamp string

	last    watch.Settings
	good    bool // last was valid
	invalid error
	socket  string // where the watch answers

	failure  diskguard.FailureConfig
	stateDir string
}

const usualRunDir = "/run/auditbridge"

func (s *watchSettings) read() (*watch.Settings, bool, error) {
	stamp := s.stampNow()
	if stamp == s.stamp {
		changed := s.again
		s.again = false
		return &s.last, changed, s.invalid
	}
	s.stamp = stamp
	c, err := config.Load(s.file)
	if onlyMissing(err) && s.file == config.DefaultFile {
		err = nil // the defaults hold
	}
	if place := openToAll(c.RunDir); place != nil {
		err = errors.Join(err, fmt.Errorf("make run-dir: %w", place))
		c.RunDir = usualRunDir
	}
	if s.invalid = err; err != nil && s.good {
		return &s.last, true, err
	}
	next := c.Watch()
	next.Places.Root = watchRoot
	s.last, s.good, s.socket = next, err == nil, c.WatchSocket()
	s.failure, s.stateDir = c.Failure(), c.StateDir
	return &s.last, true, err
}

// stampNow tells one state of the files from another.
func (s *watchSettings) stampNow() string {
	names := []string{s.file}
	dropIns, _ := filepath.Glob(filepath.Join(filepath.Dir(s.file), "conf.d", "*.toml"))
	var b strings.Builder
	for _, name := range append(names, dropIns...) {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintln(&b, name, err)
			continue
		}
		fmt.Fprintln(&b, name, info.ModTime().UnixNano(), info.Size(), info.Mode())
	}
	return b.String()
}
