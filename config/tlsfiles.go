package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/internal/keyfile"
)

// tlsFiles looks at the certificates and keys of each server that is spoken to
// in TLS, as keyFiles does at those of forwardings: what is there has to be
// usable, and what is not there yet is said.
func (k *completion) tlsFiles(ship int) {
	for i := range k.Servers {
		s, path := &k.Servers[i], fmt.Sprintf("remote-logging-server[%d]", i)
		if !s.usesTLS() {
			continue
		}
		missing := false
		for _, file := range s.tlsFiles() {
			if !filepath.IsAbs(file.name) {
				missing = true // complete has said what is wrong
				continue
			}
			missing = k.tlsFile(path, file, ship) || missing
		}
		if !missing {
			k.tlsContent(s, path)
		}
	}
}

// tlsFile reports whether the file cannot be looked into.
func (k *completion) tlsFile(path string, file tlsFile, ship int) (missing bool) {
	key := path + "." + file.key
	info, err := os.Stat(file.name)
	if errors.Is(err, fs.ErrNotExist) {
		k.warnAt(path, key, "put it there, readable for "+k.ShipUser, "%s does not exist: nothing can be sent until it does", file.name)
		return true
	}
	if err != nil {
		return true
	}
	secret := file.key != "ca-file" && file.key != "crl-file" && file.key != "certificate-file"
	if mode := info.Mode().Perm(); secret && mode&keyfile.Secret != 0 {
		k.wrongAt(path, key, "chmod 0600 "+file.name, "%s holds a secret and may be read by others (mode %04o)", file.name, mode)
		return true
	}
	if ship < 0 || !k.trustedByShip(key, file.name, ship) {
		return false
	}
	if owner := ownerOf(info); owner != ship && (secret || info.Mode().Perm()&0o004 == 0) {
		k.warnAt(path, key, k.shipOrOwner(file.name, owner), "%s belongs to %s: the sender, which runs as %s, cannot read it", file.name, userName(owner), k.ShipUser)
	}
	return false
}

// tlsContent looks into the files as ship will, but for whose they are.
func (k *completion) tlsContent(s *Server, path string) {
	held, err := k.view.Look(*s.tls(s.Address, s.Port))
	var bad *keyfile.Error
	if errors.As(err, &bad) && !errors.Is(err, fs.ErrPermission) {
		k.wrongAt(path, path+"."+bad.Key, bad.Advice, "%s: %s", bad.Path, bad.Problem+because(bad.Err))
	}
	if err == nil && held.Expiring != nil && time.Now().Add(soon).After(held.Expiring.NotAfter) {
		k.warnAt(path, path, "renew it in time: with an expired one nothing is sent; a file that is replaced counts at once", "%s: the certificate %s expires on %s",
			held.File, held.Expiring, held.Expiring.NotAfter.UTC().Format(time.DateOnly))
	}
}

// soon is how long before a certificate's end it is told.
const soon = 30 * 24 * time.Hour

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + strings.TrimSpace(err.Error())
}
