package tlslink

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// revocation settles whether cert, which issuer issued, is revoked. Who says
// that it is, is believed at once. That it is not, crl-file may say, an answer
// that came with the handshake, or one that is asked for now, in this order.
func (v *verifier) revocation(cert, issuer *x509.Certificate, stapled []byte) error {
	var silence []string // why nobody could say
	known := false
	for _, ask := range []struct {
		who string
		how func() (good bool, err error)
	}{
		{"crl-file", func() (bool, error) { return v.byCRL(cert, issuer) }},
		{"the stapled answer", func() (bool, error) { return v.byStaple(cert, issuer, stapled) }},
		{"OCSP", func() (bool, error) {
			if known || v.cfg.OCSP == OCSPOff {
				return false, nil
			}
			return v.byResponder(cert, issuer)
		}},
	} {
		good, err := ask.how()
		var revoked *CertificateError
		switch {
		case errors.As(err, &revoked):
			return err
		case err != nil:
			silence = append(silence, ask.who+": "+err.Error())
		}
		known = known || good
	}
	if known {
		return nil
	}
	if len(silence) == 0 {
		silence = append(silence, "it names no responder, and crl-file has no list of its issuer's")
	}
	unknown := v.fail(FaultUnknownStatus, cert, "nobody says whether it is revoked: %s", strings.Join(silence, "; "))
	if v.cfg.OCSP == OCSPRequire || v.cfg.CRLFile != "" {
		return unknown
	}
	if v.cfg.OCSP == OCSPTry && (v.cfg.responder(cert) != "" || len(stapled) > 0) {
		v.unknown = unknown
	}
	return nil
}

// byCRL looks into the lists of the issuer (RFC 5280 section 6.3).
func (v *verifier) byCRL(cert, issuer *x509.Certificate) (good bool, err error) {
	for _, list := range v.trust.crls {
		if string(list.RawIssuer) != string(issuer.RawSubject) {
			continue
		}
		if e := v.listFault(list, issuer); e != nil {
			err = e
			continue
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
				return false, v.revoked(cert, "crl-file", entry.RevocationTime)
			}
		}
		good = true
	}
	if good {
		err = nil
	}
	return good, err
}

// listFault is what keeps a list from being believed. Its issuer's keyUsage has
// to say so: crypto/x509 takes an absent one for any use. One that is for some
// reasons or some certificates only is no answer.
func (v *verifier) listFault(list *x509.RevocationList, issuer *x509.Certificate) error {
	if issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return errors.New("its issuer's keyUsage has no cRLSign")
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("its signature does not hold: %s", fewWords(err.Error()))
	}
	for _, extension := range list.Extensions {
		if extension.Critical {
			return fmt.Errorf("it has a critical extension %s: it is not for all certificates", extension.Id)
		}
	}
	return v.fresh(list.ThisUpdate, list.NextUpdate)
}
