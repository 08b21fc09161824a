package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"auditbridge/config"
	"auditbridge/forward/tlslink"
	"auditbridge/internal/durable"
)

// identityStore is the certificates and keys that `remote client-certificate` has put
// beside the configuration. Each certificate has names of its own, so that the
// drop-in's replacement is the moment from which another one counts, and certificate and
// key are at no time of two. When we die, what the drop-in does not name is left over,
// until the next sweep.
type identityStore struct{ dropIn *config.DropIn }

// place writes certificate and key; both are there when it returns.
func (s identityStore) place(c *config.Config, own *tlslink.Identity) (certificate, key string, err error) {
	sum := sha256.Sum256(own.Chain)
	stem := filepath.Join(identityDir(s.dropIn), "client-certificate-"+hex.EncodeToString(sum[:8]))
	certificate, key = stem+".pem", stem+".key"
	dir, err := durable.OpenDir(filepath.Dir(stem), 0o755, -1)
	if err != nil {
		return "", "", fmt.Errorf("place a certificate: %w", err)
	}
	defer dir.Close()
	if err := durable.Create(dir, filepath.Base(certificate), own.Chain, 0o644, -1); err != nil {
		return "", "", fmt.Errorf("place a certificate: %w", err)
	}
	return certificate, key, placeKey(c, key, own.Key)
}

// ours are the names of what place writes, and of what it leaves when we die in it.
var ours = regexp.MustCompile(`^\.?client-certificate-[0-9a-f]{16}\.(pem|key)(\.new)?(\.tmp)?$`)

// sweep erases every certificate and key of ours that neither the drop-in nor another
// file of the configuration names.
func (s identityStore) sweep(c *config.Config) error {
	path := identityDir(s.dropIn)
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return nil
	}
	dir, err := durable.OpenDir(path, 0o755, -1)
	if err != nil {
		return fmt.Errorf("erase a key: %w", err)
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return fmt.Errorf("erase a key: %w", err)
	}
	named := append(c.KeyFiles(), s.dropIn.ClientCertificate()...)
	for _, name := range names {
		if !ours.MatchString(name) || slices.Contains(named, filepath.Join(path, name)) {
			continue
		}
		if err := durable.Remove(dir, name); err != nil {
			return fmt.Errorf("erase a key: %w", err)
		}
	}
	return nil
}
