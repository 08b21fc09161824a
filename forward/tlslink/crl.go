package tlslink

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"

	"auditbridge/internal/keyfile"
)

// parseCRLs reads one list in DER, or any number in PEM.
func parseCRLs(path string, text []byte) (all []*x509.RevocationList, err error) {
	fail := func(problem string, err error) ([]*x509.RevocationList, error) {
		return nil, &keyfile.Error{Key: "crl-file", Path: path, Problem: problem, Advice: "name a file of certificate revocation lists, in PEM or DER", Err: err}
	}
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		list, err := x509.ParseRevocationList(text)
		if err != nil {
			return fail("there is no revocation list in it", err)
		}
		return append(all, list), nil
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			return fail("it holds a \""+fewWords(block.Type)+"\", which is no revocation list", nil)
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return fail("a revocation list in it cannot be read", err)
		}
		all = append(all, list)
	}
	if len(all) == 0 {
		return fail("there is no revocation list in it", nil)
	}
	return all, nil
}
