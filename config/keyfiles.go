package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/keyfile"
)

// keyFiles looks at the key files of each forwarding. It is ship that reads
// them, so they may be its user's: nothing is said of owners while it is not
// known who that is.
func (k *completion) keyFiles(ship int) {
	for i, t := range k.Tunnels() {
		path := fmt.Sprintf("port-forwarding[%d]", i)
		if filepath.IsAbs(t.IdentityFile) {
			k.identity(path+".identity-file", t, ship)
		}
		if filepath.IsAbs(t.CertificateFile) {
			k.certificate(path+".certificate-file", t, ship)
		}
		if filepath.IsAbs(t.KnownHosts) {
			k.knownHosts(path, t, ship)
		}
	}
}

// identity refuses what is no private key that can be used, and one that
// others may read, as ssh does.
func (k *completion) identity(path string, t tunnel.Config, ship int) {
	name := t.IdentityFile
	info, err := os.Stat(name)
	if os.IsNotExist(err) {
		k.warn(path, "ssh-keygen -t ed25519 -N '' -f "+name, "%s does not exist: nothing can be sent until it does", name)
		return
	}
	if err != nil {
		return
	}
	var bad *keyfile.Error
	if errors.As(t.CheckIdentity(), &bad) {
		k.wrong(path, bad.Advice, "%s: %s", name, bad.Problem)
		return
	}
	if t.IdentityAgent != "" { // the file is no secret
		return
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		k.wrong(path, "chmod 0600 "+name, "the private key %s may be read by others (mode %04o)", name, mode)
		return
	}
	if ship < 0 || !k.trustedByShip(path, name, ship) {
		return
	}
	if owner := ownerOf(info); owner != ship {
		k.warn(path, k.shipOrOwner(name, owner), "the private key %s belongs to %s: the sender, which runs as %s, cannot read it", name, userName(owner), k.ShipUser)
		return
	}
	if dir := closedTo(ship, filepath.Dir(name)); dir != "" {
		k.warn(path, "chown "+k.ShipUser+" "+dir, "%s lets nobody but its owner in: the sender, which runs as %s, cannot read %s", dir, k.ShipUser, name)
	}
}

// certificate warns of one that cannot be used, or not for long: what is recorded here
// waits until there is another.
func (k *completion) certificate(path string, t tunnel.Config, ship int) {
	var bad *keyfile.Error
	var ending *tunnel.ExpiryError
	switch err := t.CheckCertificate(); {
	case errors.As(err, &bad) && bad.Key == "certificate-file":
		k.warn(path, bad.Advice, "%s: %s: nothing can be sent until there is another", t.CertificateFile, bad.Problem)
	case errors.As(err, &ending):
		k.warn(path, ending.Hint(), "%v", ending)
	case errors.Is(err, os.ErrNotExist):
		k.warn(path, "have the CA make one", "%s does not exist: nothing can be sent until it does", t.CertificateFile)
	}
	if ship >= 0 {
		k.trustedByShip(path, t.CertificateFile, ship)
	}
}

// closedTo is the first directory from dir upwards that uid cannot enter, for
// nobody but its owner can; "" when there is none.
func closedTo(uid int, dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && ownerOf(info) != uid && info.Mode().Perm()&0o011 == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// knownHosts warns when nothing in the file speaks for the server.
func (k *completion) knownHosts(path string, t tunnel.Config, ship int) {
	name, key := t.KnownHosts, path+".known-hosts"
	if _, err := os.Stat(name); os.IsNotExist(err) {
		k.warn(key, "put the server's host key there; it is never learnt on first use", "%s does not exist: nothing can be sent until it does", name)
		return
	}
	var bad *keyfile.Error
	var unknown *tunnel.HostKeyError
	switch err := t.CheckKnownHosts(); {
	case errors.As(err, &bad):
		k.wrong(key, bad.Advice, "%s: %s", name, bad.Problem)
		return
	case errors.As(err, &unknown) && !k.origins[path+".server-address"].bad && !k.origins[path+".server-port"].bad:
		k.warn(key, unknown.Hint(), "%s has no key for %s: nothing can be sent until it does", name, unknown.Server)
	}
	if ship >= 0 {
		k.trustedByShip(key, name, ship)
	}
}

// trustedByShip is trusted for a file of ship's: what belongs to a third user
// may as well mean that ship-user names the wrong one.
func (k *completion) trustedByShip(path, name string, ship int) bool {
	err := checkPath(name, ship)
	if err == nil || os.IsNotExist(err) || os.IsPermission(err) {
		return true
	}
	p := asProblem(name, err)
	var fault *PathError
	if errors.As(err, &fault) && fault.foreign {
		if info, err := os.Lstat(fault.Path); err == nil {
			p.Hint = k.shipOrOwner(fault.Path, ownerOf(info))
		}
	}
	k.wrong(path, p.Hint, "%s: %s", name, p.What)
	return false
}

func (k *completion) shipOrOwner(name string, owner int) string {
	change := "chown " + k.ShipUser + " " + name
	if owner == 0 {
		return change
	}
	return fmt.Sprintf("if the sender is to run as %s, set ship-user = %q; else %s", userName(owner), userName(owner), change)
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
