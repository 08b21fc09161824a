package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"auditbridge/diskguard"
	"auditbridge/internal/durable"
	"auditbridge/internal/metrics"
	"auditbridge/internal/nearest"
)

// probe looks at what the configuration names on this machine: directories,
// users, keys. What it may not read it leaves to the program that will.
func (c *Config) probe() (problems Problems, warnings []Problem) {
	k := completion{Config: &Config{Settings: c.Settings, origins: c.origins, view: c.view}}
	for _, dir := range []struct{ key, path string }{{"journal-dir", c.JournalDir}, {"state-dir", c.StateDir}, {"run-dir", c.RunDir}} {
		k.trusted(dir.key, dir.path)
	}
	if at, err := metrics.ParseAddress(c.Metrics.Listen); err == nil && at.Network == "unix" {
		k.trusted("metrics.listen", filepath.Dir(at.Place))
	}
	k.entrances()
	k.module()
	k.programs()
	k.room()
	if c.LogGroup != "" {
		if _, err := c.GroupID(); err != nil {
			k.wrong("log-group", "groupadd --system "+c.LogGroup, "%v", err)
		}
	}
	ship := k.shipUser()
	k.keyFiles(ship)
	k.tlsFiles(ship)
	k.httpsFiles(ship)
	return k.problems, k.Warnings
}

// trusted checks as much of a path as exists.
func (k *completion) trusted(path, name string) {
	if !filepath.IsAbs(name) {
		return // complete has said so
	}
	if err := checkPath(name); err != nil && !os.IsNotExist(err) && !os.IsPermission(err) {
		p := asProblem(name, err)
		k.wrong(path, p.Hint, "%s: %s", name, p.What)
	}
}

// programs checks those that the watch starts as root.
func (k *completion) programs() {
	k.program("banner.exec", k.Banner.Exec)
	for _, a := range k.Audit.actions() {
		if path, runs := diskguard.Action(a.value).Program(); runs {
			k.program(a.key, path)
		}
	}
}

func (k *completion) program(key, path string) {
	if !filepath.IsAbs(path) {
		return // there is none, or complete has said so
	}
	if err := durable.CheckProgram(path); err != nil && !os.IsPermission(err) {
		hint := ""
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		k.wrong(key, hint, "%v", err)
	}
}

// room warns when the journal's file system cannot hold max-size.
func (k *completion) room() {
	dir := k.JournalDir
	for !exists(dir) && len(dir) > 1 {
		dir = filepath.Dir(dir)
	}
	if disk := diskguard.RoomAt(dir, 0).Disk; filepath.IsAbs(dir) && disk > 0 && int64(k.Audit.MaxSize) > disk {
		k.warn("audit.max-size", "make it less than the file system, so that old segments go before the disk is full",
			"%s is more than the whole file system of %s, %d MiB: the levels are measured against that instead", k.Audit.MaxSize, k.JournalDir, disk>>20)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// shipUser is the uid of ship-user, -1 when there is none. Only root can change
// to another user, so only root's run needs it; and only to send.
func (k *completion) shipUser() int {
	uid, err := k.ShipUID()
	if err == nil {
		return uid
	}
	hint := UserHint(k.ShipUser)
	written := k.origins["ship-user"].at.File != ""
	switch {
	case !written && len(k.Servers) == 0 && !slices.ContainsFunc(k.Forwardings, func(f Forwarding) bool { return f.Listen }):
	case os.Geteuid() == 0:
		k.wrong("ship-user", hint, "%v", err)
	default:
		k.warn("ship-user", hint, "%v: run will refuse to start as root", err)
	}
	return -1
}

// UserHint says how there can be a user of that name: one that is nearly
// called so may be meant.
func UserHint(name string) string {
	hint := "useradd --system --no-create-home --shell /usr/sbin/nologin " + name
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return hint
	}
	var users []string
	for line := range bytes.Lines(text) {
		account, _, _ := bytes.Cut(line, []byte(":"))
		users = append(users, string(account))
	}
	if near := nearest.Word(name, users); near != "" {
		return fmt.Sprintf("nearest user: %q; or %s", near, hint)
	}
	return hint
}

// GroupID is the gid of log-group, -1 when there is none.
func (s *Settings) GroupID() (int, error) {
	if s.LogGroup == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(s.LogGroup)
	if err != nil {
		return -1, fmt.Errorf("there is no group %q on this host", s.LogGroup)
	}
	return strconv.Atoi(g.Gid)
}

// ShipUID is the uid of ship-user.
func (s *Settings) ShipUID() (int, error) {
	u, err := user.Lookup(s.ShipUser)
	if err != nil {
		return -1, fmt.Errorf("there is no user %q on this host", s.ShipUser)
	}
	return strconv.Atoi(u.Uid)
}
