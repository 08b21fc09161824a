package tlslink

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ocsp"
)

// responder answers questions by OCSP. What it knows of each authority's
// certificates, and how it lies, are its fields.
type responder struct {
	t       *testing.T
	url     string
	asked   atomic.Int32
	revoked []*peertest.Identity
	signer  *peertest.Identity // nil: the issuer
	change  func(*ocsp.Response)
	issuers []*peertest.Identity
	serve   func(http.ResponseWriter, []byte) // nil: hand it over
}

func startResponder(t *testing.T) *responder {
	t.Helper()
	r := &responder{t: t}
	s := httptest.NewServer(http.HandlerFunc(r.hear))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *responder) hear(w http.ResponseWriter, request *http.Request) {
	r.asked.Add(1)
	body, _ := io.ReadAll(request.Body)
	question, err := ocsp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, issuer := range r.issuers {
		if mine, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: question.SerialNumber}, issuer.Cert, nil); err == nil {
			if of, _ := ocsp.ParseRequest(mine); string(of.IssuerKeyHash) == string(question.IssuerKeyHash) {
				answer := r.answer(issuer, question)
				if r.serve != nil {
					r.serve(w, answer)
					return
				}
				w.Write(answer)
				return
			}
		}
	}
	w.Write(ocsp.UnauthorizedErrorResponse)
}

func (r *responder) answer(issuer *peertest.Identity, question *ocsp.Request) []byte {
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: ago(time.Minute), NextUpdate: time.Now().Add(time.Hour), IssuerHash: crypto.SHA1}
	for _, gone := range r.revoked {
		if gone.Cert.SerialNumber.Cmp(question.SerialNumber) == 0 {
			template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, ago(time.Minute), ocsp.KeyCompromise
		}
	}
	if r.change != nil {
		r.change(&template)
	}
	by := issuer
	if r.signer != nil {
		by = r.signer
		template.Certificate = by.Cert
	}
	answer, err := ocsp.CreateResponse(issuer.Cert, by.Cert, template, by.Key)
	if err != nil {
		r.t.Error(err)
	}
	return answer
}

// Each way to say that a certificate is revoked, of the leaf and of what is
// between it and the root, and each way not to be believed. The rows run once by
// list and once by OCSP, as FIA_X509_EXT.1/Rev asks.
func TestRevocation(t *testing.T) {
	t.Parallel()
	type world struct {
		chain
		site *site
		ocsp *responder
	}
	everyCRL := func(w *world, gone ...*peertest.Identity) []byte {
		return append(w.root.CRL(nil, gone...), w.between.CRL(nil, gone...)...)
	}
	delegate := func(usage ...x509.ExtKeyUsage) func(*world) {
		return func(w *world) {
			w.ocsp.issuers = []*peertest.Identity{w.between}
			w.ocsp.signer = w.between.Server(func(c *x509.Certificate) { c.ExtKeyUsage = usage }, "ocsp.example.org")
			w.site.cfg.CRLFile = w.site.write("root.crl", w.root.CRL(nil), 0o644) // the root's own certificates
		}
	}
	rows := []struct {
		name          string
		between       func(*x509.Certificate)
		byList, byAsk func(*world)
		want          Fault
		of            func(chain) *peertest.Identity
		word          string
	}{
		{name: "good",
			byList: func(w *world) { w.site.write("crl", everyCRL(w), 0o644) },
			byAsk:  func(w *world) {}},
		{name: "T-X509-3leaf", want: FaultRevoked, of: theLeaf,
			byList: func(w *world) { w.site.write("crl", everyCRL(w, w.leaf), 0o644) },
			byAsk:  func(w *world) { w.ocsp.revoked = append(w.ocsp.revoked, w.leaf) }},
		{name: "T-X509-3inter", want: FaultRevoked, of: theBetween,
			byList: func(w *world) { w.site.write("crl", everyCRL(w, w.between), 0o644) },
			byAsk:  func(w *world) { w.ocsp.revoked = append(w.ocsp.revoked, w.between) }},
		{name: "T-X509-4a", want: FaultUnknownStatus, of: theLeaf, word: "OCSPSigning",
			byAsk: delegate(x509.ExtKeyUsageServerAuth)},
		{name: "T-X509-4a/with OCSPSigning", byAsk: delegate(x509.ExtKeyUsageOCSPSigning)},
		{name: "T-X509-4b", want: FaultUnknownStatus, of: theLeaf, word: "cRLSign",
			between: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign },
			byList:  func(w *world) { w.site.write("crl", everyCRL(w, w.leaf), 0o644) }},
		{name: "stale", want: FaultUnknownStatus, of: theLeaf, word: "stale since",
			byList: func(w *world) {
				old := w.between.CRL(func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = ago(48*time.Hour), ago(24*time.Hour) }, w.leaf)
				w.site.write("crl", append(w.root.CRL(nil), old...), 0o644)
			},
			byAsk: func(w *world) {
				w.ocsp.change = func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = ago(48*time.Hour), ago(24*time.Hour) }
			}},
		{name: "of another issuer of that name", want: FaultUnknownStatus, of: theLeaf, word: "issue",
			byList: func(w *world) {
				w.site.write("crl", append(w.root.CRL(nil), peertest.NewCA(t, "Between", nil).CRL(nil)...), 0o644)
			},
			byAsk: func(w *world) {
				w.ocsp.signer = peertest.NewCA(t, "Between", nil).Server(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }, "o")
			}},
		{name: "no word of it", want: FaultUnknownStatus, of: theLeaf,
			byList: func(w *world) { w.site.write("crl", w.root.CRL(nil), 0o644) },
			byAsk:  func(w *world) { w.ocsp.issuers = []*peertest.Identity{w.root} }},
		{name: "it does not know it", want: FaultUnknownStatus, of: theLeaf, word: "does not know it",
			byAsk: func(w *world) { w.ocsp.change = func(r *ocsp.Response) { r.Status = ocsp.Unknown } }},
		{name: "a redirect", want: FaultUnknownStatus, of: theLeaf, word: "302",
			byAsk: func(w *world) {
				w.ocsp.serve = func(h http.ResponseWriter, _ []byte) {
					h.Header().Set("Location", "http://127.0.0.1:1/")
					h.WriteHeader(302)
				}
			}},
		{name: "an endless answer", want: FaultUnknownStatus, of: theLeaf, word: "too long",
			byAsk: func(w *world) {
				w.ocsp.serve = func(h http.ResponseWriter, a []byte) { h.Write(append(a, make([]byte, 1<<20)...)) }
			}},
		{name: "no answer", want: FaultUnknownStatus, of: theLeaf, word: "does not answer",
			byAsk: func(w *world) {
				w.site.cfg.OCSPTimeout = 50 * time.Millisecond
				over := make(chan struct{})
				w.site.t.Cleanup(func() { close(over) })
				w.ocsp.serve = func(http.ResponseWriter, []byte) { <-over }
			}},
	}
	for _, row := range rows {
		for method, prepare := range map[string]func(*world){"CRL": row.byList, "OCSP": row.byAsk} {
			if prepare == nil {
				continue
			}
			t.Run(row.name+"/"+method, func(t *testing.T) {
				t.Parallel()
				w := &world{ocsp: startResponder(t)}
				asks := func(c *x509.Certificate) { c.OCSPServer = []string{w.ocsp.url} }
				if method == "CRL" {
					asks = nil
				}
				w.chain = newChain(t, nil, both(row.between, asks), asks)
				w.site = newSite(t, w.root)
				w.ocsp.issuers = []*peertest.Identity{w.root, w.between}
				if method == "CRL" {
					w.site.cfg.CRLFile = w.site.dir + "/crl"
				} else {
					w.site.cfg.OCSP = OCSPRequire
				}
				prepare(w)
				srv := serve(t, showing(w.leaf.TLS()))
				if row.want == "" {
					w.site.accept(srv)
					return
				}
				err := w.site.refuse(srv, row.want, row.of(w.chain))
				if !strings.Contains(err.Error(), row.word) {
					t.Errorf("%v: want %q", err, row.word)
				}
			})
		}
	}
}

func both(changes ...func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, change := range changes {
			if change != nil {
				change(c)
			}
		}
	}
}

// When nobody can say whether it is revoked, the configuration decides
// (FIA_X509_EXT.2.2): it is refused, or let pass and told. Nothing overrides that
// for one certificate.
func TestUnreachableResponder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	ca := peertest.NewCA(t, "Root", nil)
	leaf := ca.Server(func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + l.Addr().String()} }, host)
	for name, row := range map[string]struct {
		ocsp      string
		want      Fault
		unchecked string
	}{
		"T-X509-UNREACH/require": {OCSPRequire, FaultUnknownStatus, ""},
		"T-X509-UNREACH/try":     {OCSPTry, "", "revocation"},
		"T-X509-UNREACH/off":     {OCSPOff, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, srv := newSite(t, ca), serve(t, showing(leaf.TLS()))
			s.cfg.OCSP = row.ocsp
			if row.want != "" {
				s.refuse(srv, row.want, leaf)
				return
			}
			conn, err := s.dial(srv)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if got := conn.Session(); got.Unchecked != row.unchecked || (got.Reason != "") != (row.unchecked != "") {
				t.Errorf("%+v, want unchecked %q", got, row.unchecked)
			}
		})
	}
}

// Only who is believed makes us ask anybody: a stranger's certificate names a
// responder in vain. A stapled answer saves the question, and counts when it says
// revoked even where nobody is asked.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	r := startResponder(t)
	asks := func(c *x509.Certificate) { c.OCSPServer = []string{r.url} }
	ours, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other", nil)
	r.issuers = []*peertest.Identity{ours, other}
	leaf := ours.Server(asks, host)
	s := newSite(t, ours)
	s.cfg.OCSP = OCSPRequire
	s.refuse(serve(t, showing(other.Server(asks, host).TLS())), FaultUntrusted, nil)
	s.refuse(serve(t, showing(ours.Server(asks, "other.example.org").TLS())), FaultNameMismatch, nil)
	if n := r.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	stapled := leaf.TLS()
	stapled.OCSPStaple = r.answer(ours, &ocsp.Request{SerialNumber: leaf.Cert.SerialNumber})
	s.accept(serve(t, showing(stapled)))
	if n := r.asked.Load(); n != 0 {
		t.Errorf("asked %d times though the server brought the answer", n)
	}
	s.accept(serve(t, showing(leaf.TLS())))
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	r.revoked = append(r.revoked, leaf)
	stapled.OCSPStaple = r.answer(ours, &ocsp.Request{SerialNumber: leaf.Cert.SerialNumber})
	s.cfg.OCSP = OCSPOff
	s.refuse(serve(t, showing(stapled)), FaultRevoked, leaf)
}

// An answer of yesterday to another question is none.
func TestANonceIsOfThisQuestion(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	leaf := ca.Server(nil, host)
	_, nonce, err := askFor(leaf.Cert, ca.Cert)
	if err != nil {
		t.Fatal(err)
	}
	r := startResponder(t)
	answer := r.answer(ca, &ocsp.Request{SerialNumber: leaf.Cert.SerialNumber})
	v := &verifier{cfg: &Config{}, now: time.Now(), ctx: context.Background()}
	if good, err := v.answer(answer, leaf.Cert, ca.Cert, nonce); !good || err != nil {
		t.Errorf("without a nonce: %v, %v", good, err)
	}
	for want, told := range map[bool][]byte{true: nonce, false: append([]byte{4, 32}, make([]byte, 32)...)} {
		r, err := ocsp.ParseResponseForCert(answer, leaf.Cert, nil)
		if err != nil {
			t.Fatal(err)
		}
		var data responseData
		if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil {
			t.Fatal(err)
		}
		data.Extensions = []pkix.Extension{{Id: oidNonce, Value: told}}
		if r.TBSResponseData, err = asn1.Marshal(data); err != nil {
			t.Fatal(err)
		}
		if err := sameIssuer(r, leaf.Cert, ca.Cert, nonce); (err == nil) != want {
			t.Errorf("nonce %x for %x: %v", told, nonce, err)
		}
	}
	// An answer about the same serial number of another issuer.
	if good, err := v.answer(answer, leaf.Cert, peertest.NewCA(t, "Root", nil).Cert, nonce); good || err == nil {
		t.Errorf("of another issuer: %v, %v", good, err)
	}
}

// Stock openssl answers, with the nonce we sent.
func TestStockOpenSSLResponder(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	at := peertest.StartOpenSSLResponder(t, ca)
	asks := func(c *x509.Certificate) { c.OCSPServer = []string{at.URL} }
	good, gone := ca.Server(asks, host), ca.Server(asks, host)
	at.Know(good, false)
	at.Know(gone, true)
	s := newSite(t, ca)
	s.cfg.OCSP = OCSPRequire
	at.Start(t)
	s.accept(serve(t, showing(good.TLS())))
	s.refuse(serve(t, showing(gone.TLS())), FaultRevoked, gone)
	s.refuse(serve(t, showing(ca.Server(asks, host).TLS())), FaultUnknownStatus, nil)
}
