package config

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// probe looks at what the configuration names on this machine: directories,
// users, keys. What it may not read it leaves to the program that will.
func (c *Config) probe() (problems Problems, warnings []Problem) {
	k := completion{Config: &Config{Settings: c.Settings, origins: c.origins}}
	for _, dir := range []struct{ key, path string }{{"journal-dir", c.JournalDir}, {"state-dir", c.StateDir}, {"run-dir", c.RunDir}} {
		k.trusted(dir.key, dir.path)
	}
	if c.LogGroup != "" {
		if _, err := c.GroupID(); err != nil {
			k.wrong("log-group", "groupadd --system "+c.LogGroup, "%v", err)
		}
	}
	ship, err := c.ShipUID()
	if err != nil {
		k.warn("ship-user", "useradd --system --no-create-home --shell /usr/sbin/nologin "+c.ShipUser, "there is no user %q: run will refuse to start as root", c.ShipUser)
	}
	for i := range c.Forwardings {
		f, path := &c.Forwardings[i], fmt.Sprintf("port-forwarding[%d]", i)
		k.key(path+".identity-file", f.IdentityFile, ship)
		k.hosts(path+".known-hosts", f.KnownHosts, ship)
	}
	return k.problems, k.Warnings
}

// trusted checks as much of a path as exists.
func (k *completion) trusted(path, name string, owners ...int) {
	if err := checkPath(name, owners...); err != nil && !os.IsNotExist(err) && !os.IsPermission(err) {
		p := asProblem(name, err)
		k.wrong(path, p.Hint, "%s: %s", name, p.What)
	}
}

// key refuses a private key that others may read, as ssh does. It is ship that
// reads it, so its user may own it.
func (k *completion) key(path, name string, ship int) {
	info, err := os.Stat(name)
	switch {
	case os.IsNotExist(err):
		k.warn(path, "ssh-keygen -t ed25519 -N '' -f "+name, "%s does not exist: nothing can be sent until it does", name)
	case err == nil && info.Mode().Perm()&0o077 != 0:
		k.wrong(path, "chmod 0600 "+name, "the private key %s may be read by others (mode %04o)", name, info.Mode().Perm())
	case err == nil:
		k.trusted(path, name, ship)
		if owner := int(info.Sys().(*syscall.Stat_t).Uid); ship >= 0 && owner != ship {
			k.warn(path, "chown "+k.ShipUser+" "+name, "the private key %s belongs to uid %d: the sender, which runs as %s, cannot read it", name, owner, k.ShipUser)
		}
	}
}

func (k *completion) hosts(path, name string, ship int) {
	if _, err := os.Stat(name); os.IsNotExist(err) {
		k.warn(path, "put the server's host key there; it is never learnt on first use", "%s does not exist: nothing can be sent until it does", name)
		return
	}
	k.trusted(path, name, ship)
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
