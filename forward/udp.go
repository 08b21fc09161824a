package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// maxDatagramEvent is how long an event's message may be over UDP, unless
// configured: what a stock rsyslog keeps whole. RFC 5426 section 3.2 has every
// receiver take 480 bytes and asks for 2048. A record, and an event as JSON, cannot be
// shortened and stay what they are; what a datagram cannot hold of them is cut off.
const maxDatagramEvent = 8 << 10

// maxDatagram is what one holds over IPv4: 65535 bytes without the headers.
const maxDatagram = 65507

// datagrams is syslog over UDP, one message a datagram (RFC 5426). Nobody ever says
// that one has arrived; that nobody listens, the far host says of itself (ICMP), and
// what was sent less than five seconds before is sent again then.
type datagrams struct {
	conn    *net.UDPConn
	cfg     *Config
	ends    []int // of the messages of the batch
	sent    uint64
	leaving atomic.Bool
}

func openDatagrams(ctx context.Context, c *Config, _ Dialer, _ *slog.Logger) (Transport, error) {
	dialer := net.Dialer{Timeout: c.ConnectTimeout}
	conn, err := dialer.DialContext(ctx, "udp", c.endpoint())
	if err != nil {
		return nil, fmt.Errorf("send to %s by UDP: %w", c.endpoint(), err)
	}
	return &datagrams{conn: conn.(*net.UDPConn), cfg: c}, nil
}

// Frame implements Transport.
func (d *datagrams) Frame(batch, message []byte) []byte {
	batch = append(batch, message[:min(len(message), maxDatagram)]...)
	d.ends = append(d.ends, len(batch))
	return batch
}

// Send implements Transport.
func (d *datagrams) Send(batch []byte) error {
	d.conn.SetWriteDeadline(time.Now().Add(d.cfg.WriteTimeout))
	start := 0
	for _, end := range d.ends {
		if _, err := d.conn.Write(batch[start:end]); err != nil {
			return d.meaning(err)
		}
		start = end
	}
	d.sent, d.ends = d.sent+uint64(len(batch)), d.ends[:0]
	return nil
}

// Tend implements Transport.
func (d *datagrams) Tend(time.Time) error { return nil }

// Arrived implements Transport: what was sent, for want of better knowledge.
func (d *datagrams) Arrived() uint64 { return d.sent }

// Listen implements Transport: what the far host's kernel says of a closed port
// comes as an error of reading, too.
func (d *datagrams) Listen() error {
	buf := make([]byte, 2048)
	for {
		_, err := d.conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) && d.leaving.Load() {
			return nil
		}
		if err != nil {
			return d.meaning(err)
		}
	}
}

func (d *datagrams) meaning(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &NobodyError{Peer: d.Peer()}
	}
	return err
}

// Leave implements Transport. There is nobody to take leave of.
func (d *datagrams) Leave() error {
	d.leaving.Store(true)
	return d.conn.SetReadDeadline(time.Now())
}

// Close implements Transport.
func (d *datagrams) Close() error { return d.conn.Close() }

// Peer implements Transport.
func (d *datagrams) Peer() string { return d.conn.RemoteAddr().String() + " by UDP" }

// NobodyError: the far host says that nobody listens there.
type NobodyError struct{ Peer string }

func (e *NobodyError) Error() string { return "nobody listens at " + e.Peer }

// Hint says what to do.
func (e *NobodyError) Hint() string {
	return "does the log server run, and listen by UDP, on that port?"
}
