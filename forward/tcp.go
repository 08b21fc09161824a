package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"auditbridge/forward/syslog"
)

// The values of Config.Framing: how messages are told apart in a stream (RFC 6587).
const (
	FramingCount = "octet-counting" // section 3.4.1: each begins with its length
	FramingLF    = "lf"             // section 3.4.2: each ends in LF, and holds none
)

// Framings are all values of Config.Framing.
var Framings = []string{FramingCount, FramingLF}

// streamTransport is syslog over a stream of bytes. The far end says nothing, so
// what has reached its host is all that is known.
type streamTransport struct {
	conn Conn
	cfg  *Config
	log  *slog.Logger
}

func openStream(ctx context.Context, c *Config, d Dialer, log *slog.Logger) (Transport, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return &streamTransport{conn, c, log}, nil
}

// Frame implements Transport.
func (s *streamTransport) Frame(batch, message []byte) []byte {
	if s.cfg.Framing == FramingLF {
		return syslog.AppendLine(batch, message)
	}
	return syslog.AppendFrame(batch, message)
}

// Send implements Transport.
func (s *streamTransport) Send(batch []byte) error {
	s.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	_, err := s.conn.Write(batch)
	return err
}

// Tend implements Transport: TCP itself asks whether the far host is alive.
func (s *streamTransport) Tend(time.Time) error { return nil }

// Arrived implements Transport.
func (s *streamTransport) Arrived() uint64 { return s.conn.Reached() }

// Listen implements Transport. A syslog receiver says nothing; one that does is
// read, so that its end is noticed.
func (s *streamTransport) Listen() error {
	buf := make([]byte, 4096)
	for heard := false; ; {
		n, err := s.conn.Read(buf)
		if n > 0 && !heard {
			heard = true
			s.log.Warn("the far end sends something on a connection that goes one way; it is ignored", "bytes", n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("connection to %s: %w", s.conn.RemoteAddr(), err)
		}
	}
}

// Leave implements Transport: half-close, and when the far end closes too, all has
// arrived.
func (s *streamTransport) Leave() error {
	s.conn.SetWriteDeadline(time.Now().Add(s.cfg.Grace))
	return s.conn.CloseWrite()
}

// Close implements Transport.
func (s *streamTransport) Close() error { return s.conn.Close() }

// Peer implements Transport.
func (s *streamTransport) Peer() string { return s.conn.RemoteAddr().String() }
