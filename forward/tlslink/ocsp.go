package tlslink

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	clockSkew  = 5 * time.Minute // between an authority's clock and ours
	maxAge     = 24 * time.Hour  // of an answer that does not say when the next comes
	maxAnswer  = 64 << 10        // bytes; a real one has two thousand
	nonceBytes = 32              // RFC 9654 section 2.1
)

var oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

// byStaple looks at the answer that the server sent along (RFC 6066 section 8).
func (v *verifier) byStaple(cert, issuer *x509.Certificate, stapled []byte) (good bool, err error) {
	if len(stapled) == 0 {
		return false, nil
	}
	return v.answer(stapled, cert, issuer, nil)
}

// byResponder asks whom the configuration names, or else the certificate. Only
// certificates that a chain has shown to be an anchor's get so far: no stranger
// makes us connect anywhere.
func (v *verifier) byResponder(cert, issuer *x509.Certificate) (good bool, err error) {
	responder := v.cfg.responder(cert)
	if responder == "" {
		return false, nil
	}
	question, nonce, err := askFor(cert, issuer)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(v.ctx, v.cfg.OCSPTimeout)
	defer cancel()
	reply, err := fetch(ctx, responder, question)
	if err != nil {
		return false, fmt.Errorf("%s does not answer: %s", fewWords(responder), fewWords(err.Error()))
	}
	return v.answer(reply, cert, issuer, nonce)
}

// responder is who is asked of cert, "" when there is nobody.
func (c *Config) responder(cert *x509.Certificate) string {
	if c.Responder != "" {
		return c.Responder
	}
	for _, at := range cert.OCSPServer {
		if _, err := ResponderPort(at); at != "" && err == nil {
			return at
		}
	}
	return ""
}

// fetch posts a question (RFC 6960 section A.1). No proxy of the environment's
// is used and no redirect followed: what answers elsewhere was not asked.
func fetch(ctx context.Context, responder string, question []byte) ([]byte, error) {
	client := http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, responder, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %s", response.Status)
	}
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(reply) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	return reply, err
}

// tbsRequest is RFC 6960 section 4.1.1's, which x/crypto/ocsp makes without
// extensions.
type tbsRequest struct {
	Version    int `asn1:"explicit,tag:0,default:0,optional"`
	List       []asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
}

// askFor makes the question, with a nonce that a fresh answer may repeat.
func askFor(cert, issuer *x509.Certificate) (question, nonce []byte, err error) {
	if question, err = ocsp.CreateRequest(cert, issuer, nil); err != nil {
		return nil, nil, err
	}
	var request struct{ TBS tbsRequest }
	if _, err = asn1.Unmarshal(question, &request); err != nil {
		return nil, nil, err
	}
	random := make([]byte, nonceBytes)
	rand.Read(random)
	if nonce, err = asn1.Marshal(random); err != nil {
		return nil, nil, err
	}
	request.TBS.Extensions = []pkix.Extension{{Id: oidNonce, Value: nonce}}
	question, err = asn1.Marshal(request)
	return question, nonce, err
}

// answer reads a responder's answer. x/crypto/ocsp checks who signed what, and
// leaves open whether it was theirs to sign, of which issuer's certificate it
// speaks, and of when.
func (v *verifier) answer(reply []byte, cert, issuer *x509.Certificate, nonce []byte) (good bool, err error) {
	r, err := ocsp.ParseResponseForCert(reply, cert, nil)
	if err != nil {
		return false, fmt.Errorf("the answer is none: %s", fewWords(err.Error()))
	}
	if err := v.signer(r, issuer); err != nil {
		return false, err
	}
	if err := sameIssuer(r, cert, issuer, nonce); err != nil {
		return false, err
	}
	next := r.NextUpdate
	if next.IsZero() {
		next = r.ThisUpdate.Add(maxAge)
	}
	if err := v.fresh(r.ThisUpdate, next); err != nil {
		return false, err
	}
	switch r.Status {
	case ocsp.Good:
		return true, nil
	case ocsp.Revoked:
		return false, v.revoked(cert, "its OCSP responder", r.RevokedAt)
	}
	return false, errors.New("the responder does not know it")
}

// signer holds an answer's signature to RFC 6960 section 4.2.2.2: it is the
// issuer's own, or that of somebody whom the issuer itself made a responder.
func (v *verifier) signer(r *ocsp.Response, issuer *x509.Certificate) error {
	by := r.Certificate
	if by == nil || by.Equal(issuer) {
		if err := r.CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("the answer's signature is not the issuer's: %s", fewWords(err.Error()))
		}
		return nil
	}
	switch {
	case string(by.RawIssuer) != string(issuer.RawSubject) || issuer.CheckSignature(by.SignatureAlgorithm, by.RawTBSCertificate, by.Signature) != nil:
		return fmt.Errorf("the issuer did not issue the responder's certificate %s", identify(by))
	case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("the responder's certificate %s has no OCSPSigning in its extendedKeyUsage", identify(by))
	case v.now.After(by.NotAfter) || v.now.Before(by.NotBefore):
		return fmt.Errorf("the responder's certificate %s is not valid now", identify(by))
	}
	return nil
}

// responseData and what is in it are RFC 6960 section 4.2.1's, as far as
// x/crypto/ocsp keeps them to itself.
type responseData struct {
	Version    int `asn1:"optional,default:0,explicit,tag:0"`
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Responses  []asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type certID struct {
	Hash         pkix.AlgorithmIdentifier
	NameHash     []byte
	KeyHash      []byte
	SerialNumber *big.Int
}

// dissect returns of whom an answer speaks, and its own extensions.
func dissect(tbs []byte) (of []certID, extensions []pkix.Extension, err error) {
	var data responseData
	if _, err = asn1.Unmarshal(tbs, &data); err != nil {
		return nil, nil, err
	}
	for _, one := range data.Responses {
		var id certID
		if _, err = asn1.Unmarshal(one.Bytes, &id); err != nil {
			return nil, nil, err
		}
		of = append(of, id)
	}
	return of, data.Extensions, nil
}

// sameIssuer compares the issuer that an answer speaks of with the one that is
// meant, and the nonce where the answer has one.
func sameIssuer(r *ocsp.Response, cert, issuer *x509.Certificate, nonce []byte) error {
	asked, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: r.IssuerHash})
	if err != nil {
		return fmt.Errorf("the answer's hash: %s", fewWords(err.Error()))
	}
	want, err := ocsp.ParseRequest(asked)
	if err != nil {
		return err
	}
	said, extensions, err := dissect(r.TBSResponseData)
	if err != nil {
		return fmt.Errorf("the answer is none: %s", fewWords(err.Error()))
	}
	of := slices.IndexFunc(said, func(s certID) bool {
		return bytes.Equal(s.NameHash, want.IssuerNameHash) && bytes.Equal(s.KeyHash, want.IssuerKeyHash) && s.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
	if of < 0 {
		return errors.New("the answer is about another issuer's certificate")
	}
	for _, e := range extensions {
		switch {
		case e.Id.Equal(oidNonce) && nonce != nil && !bytes.Equal(e.Value, nonce):
			return errors.New("the answer repeats another question's nonce")
		case e.Critical && !e.Id.Equal(oidNonce):
			return fmt.Errorf("the answer has a critical extension %s", e.Id)
		}
	}
	return nil
}

// fresh holds a statement to its time.
func (v *verifier) fresh(from, until time.Time) error {
	switch {
	case from.After(v.now.Add(clockSkew)):
		return fmt.Errorf("it is of the future, %s", from.UTC().Format(time.RFC3339))
	case until.IsZero():
		return errors.New("it does not say until when it holds")
	case v.now.After(until.Add(clockSkew)):
		return fmt.Errorf("it is stale since %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}

func (v *verifier) revoked(cert *x509.Certificate, by string, at time.Time) error {
	return v.fail(FaultRevoked, cert, "%s says it is, since %s", by, at.UTC().Format(time.RFC3339))
}
