package tlslink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"time"

	"auditbridge/internal/keyfile"
)

// Dialer makes TLS connections over those that dial makes.
type Dialer struct {
	cfg  Config
	dial func(context.Context) (Carrier, error)
	log  *slog.Logger
}

// New validates cfg. It touches neither file nor network.
func New(cfg Config, dial func(context.Context) (Carrier, error), log *slog.Logger) (*Dialer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Dialer{cfg: cfg.withDefaults(), dial: dial, log: log}, nil
}

// Dial reads the files anew, connects, and returns when the server is believed
// and the handshake over. A file that cannot be used keeps it from connecting at
// all.
func (d *Dialer) Dial(ctx context.Context) (*Conn, error) {
	trust, err := d.cfg.load(keyfile.Read, decodePKCS12)
	if err != nil {
		return nil, err
	}
	carrier, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := d.cfg.shake(ctx, carrier, trust)
	if err != nil {
		carrier.Close()
		return nil, err
	}
	if why := conn.session.Reason; why != "" {
		d.log.Warn("the server's certificate is believed without knowing whether it is revoked", "dest", d.cfg.Name, "reason", why)
	}
	return conn, nil
}

// shake does the handshake over carrier.
func (c *Config) shake(ctx context.Context, carrier Carrier, trust *material) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.HandshakeTimeout)
	defer cancel()
	v := &verifier{cfg: c, trust: trust, now: time.Now(), ctx: ctx}
	conn := &Conn{cfg: c, carrier: &counted{Carrier: carrier}}
	shown := false
	conn.Conn = tls.Client(conn.carrier, c.library(v, conn, &shown))
	if err := conn.Conn.HandshakeContext(ctx); err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = ctx.Err()
		}
		return nil, c.unasked(conn.asked, c.meaning(err))
	}
	state := conn.Conn.ConnectionState()
	conn.session = Session{Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite), Server: identify(v.leaf)}
	if shown {
		conn.session.Own = identify(trust.own.Leaf)
	}
	if len(v.held) > 0 {
		conn.session.Expiring = identify(slices.MinFunc(v.held, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }))
	}
	switch {
	case c.SkipCertificateCheck:
		conn.session.Unchecked = "certificate"
	case c.SkipNameCheck:
		conn.session.Unchecked = "name"
	case v.unknown != nil:
		conn.session.Unchecked, conn.session.Reason = "revocation", v.unknown.Error()
	}
	return conn, nil
}

// unasked names the reason of a server that gave up after it had asked for a
// certificate and got none: few say it.
func (c *Config) unasked(asked bool, err error) error {
	var gaveUp *HandshakeError
	if !asked || !errors.As(err, &gaveUp) || gaveUp.Fault != FaultRefused && gaveUp.Fault != FaultBroken {
		return err
	}
	return &HandshakeError{Server: c.server(), Fault: FaultClientRefused, What: "the server asked who we are, got no certificate, and gave up: " + gaveUp.What, Err: gaveUp.Err}
}

// library is crypto/tls's configuration. Its own verification is off, for it
// does not say what exactly is wrong and looks at nobody's revocation; ours is
// in its place, and runs at every handshake, before anything of ours is sent.
// There are no session tickets: who is believed is settled every time, and no
// early data is sent.
func (c *Config) library(v *verifier, conn *Conn, shown *bool) *tls.Config {
	return &tls.Config{
		ServerName:         c.Reference(),
		InsecureSkipVerify: true,
		VerifyConnection:   v.verify,
		MinVersion:         c.Profile.MinVersion,
		MaxVersion:         c.Profile.MaxVersion,
		CipherSuites:       c.Profile.CipherSuites,
		CurvePreferences:   c.Profile.Curves,
		Renegotiation:      tls.RenegotiateNever,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if v.trust.own == nil {
				conn.asked = true
				return new(tls.Certificate), nil
			}
			*shown = true
			return v.trust.own, nil
		},
		SessionTicketsDisabled: true,
	}
}
