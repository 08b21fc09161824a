package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Transport is what a protocol makes of one connection: how a message is framed,
// what goes over the connection, and what of it has arrived. A session has one of
// its own. Frame, Send, Tend, Arrived and Leave are called by one goroutine, Listen
// by another, Close by any.
type Transport interface {
	// Frame appends message to batch as it goes over the connection.
	Frame(batch, message []byte) []byte
	// Send takes the next batch: what Frame has appended since the one before. It
	// may wait for the far end. Batch is the caller's again when it returns.
	Send(batch []byte) error
	// Tend is called several times a second while anything is under way, else
	// every five seconds or so: to ask whether the far end is alive, and to give
	// it up when it has not answered for too long.
	Tend(now time.Time) error
	// Arrived is how many bytes of all batches have arrived, as the protocol
	// understands it. It does not block and may lag, but never goes back.
	Arrived() uint64
	// Listen hears the far end until it closes. nil says that it did so in
	// order; after Leave, that all that was sent has arrived, too.
	Listen() error
	// Leave says that nothing more comes.
	Leave() error
	// Close ends the connection at once, and with it whatever waits.
	Close() error
	// Peer names the far end.
	Peer() string
}

// Promise is what it means that a record counts as delivered.
type Promise string

// The promises. With AtLeastOnce and Acknowledged a message may come twice, after a
// break; duplicates are told by node, journal and sequence.
const (
	// BestEffort: it was sent, and nobody has said within five seconds that nobody
	// listens. Whether it arrived is not known.
	BestEffort Promise = "best effort"
	// AtLeastOnce: its bytes have come to the far host and the connection held for
	// another five seconds, or the far end closed in order after we did. It is
	// lost when the receiver loses what it took longer ago than that.
	AtLeastOnce Promise = "at least once"
	// Acknowledged: the receiver has said that it has taken it.
	Acknowledged Promise = "acknowledged"
)

// The values of Config.Protocol.
const (
	ProtocolUDP    = "udp"
	ProtocolTCP    = "tcp"
	ProtocolTLS    = "tls" // RFC 5425
	ProtocolRELP   = "relp"
	ProtocolAuditd = "auditd"
	ProtocolHTTPS  = "https"
)

// protocol is a value of Config.Protocol.
type protocol struct {
	name    string
	promise Promise
	formats []string // that it carries; nil is all
	alone   bool     // no tunnel carries it
	// open makes a connection and begins to speak over it.
	open func(ctx context.Context, c *Config, d Dialer, log *slog.Logger) (Transport, error)
}

var protocols = []protocol{
	{name: ProtocolUDP, promise: BestEffort, alone: true, open: openDatagrams},
	{name: ProtocolTCP, promise: AtLeastOnce, open: openStream},
	{name: ProtocolTLS, promise: AtLeastOnce, open: openStream},
	{name: ProtocolRELP, promise: Acknowledged, open: openRELP},
	{name: ProtocolAuditd, promise: Acknowledged, formats: []string{FormatRecord}, open: openAuditd},
	{name: ProtocolHTTPS, promise: Acknowledged, formats: []string{FormatJSON}, open: openHTTPS},
}

// protocolOf is the protocol of that name, or nil.
func protocolOf(name string) *protocol {
	i := slices.IndexFunc(protocols, func(p protocol) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &protocols[i]
}

// PromiseOf is the promise of a protocol that exists.
func PromiseOf(protocol string) Promise { return protocolOf(protocol).promise }

// settle is how long what has arrived must have been there: where the far end says
// itself that it has it, no time.
func (c *Config) settle() time.Duration {
	if PromiseOf(c.Protocol) == Acknowledged {
		return 0
	}
	return c.Settle
}

// validate returns what is wrong with c's protocol and what it is to carry.
func (p *protocol) validate(c *Config) error {
	if len(p.formats) > 0 && !slices.Contains(p.formats, c.Format) {
		return fmt.Errorf("format: %s carries %s, not %q", p.name, strings.Join(p.formats, " or "), c.Format)
	}
	if p.alone && c.Via != "" {
		return fmt.Errorf("via: no tunnel carries %s", p.name)
	}
	if p.name == ProtocolHTTPS {
		if c.HTTPS == nil {
			return errors.New("protocol: https, and nothing says where requests go")
		}
		if err := c.HTTPS.Validate(); err != nil {
			return err
		}
	}
	if c.Framing != "" && !slices.Contains(Framings, c.Framing) {
		return fmt.Errorf("framing: %q is none of %s", c.Framing, strings.Join(Framings, " "))
	}
	if (p.name == ProtocolTLS || p.name == ProtocolHTTPS) && c.TLS == nil {
		return fmt.Errorf("protocol: %s, and nothing says whom to believe", p.name)
	}
	return nil
}

// errClosed is a connection's end that nobody announced.
var errClosed = errors.New("the far end closed the connection")
