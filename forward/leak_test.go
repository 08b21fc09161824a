package forward

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"auditbridge/forward/https"
	"auditbridge/internal/peertest"
)

// Two hundred connections by each protocol, which the far end breaks early or late,
// leave neither a goroutine nor a file behind.
func TestBrokenConnectionsLeaveNothing(t *testing.T) {
	ca := peertest.NewCA(t, "Root", nil)
	var n atomic.Int32
	early := func() bool { return n.Add(1)%3 == 0 }
	plain := func(protocol string, serve func(net.Conn)) (Config, Dialer) {
		c := to(peertest.PortOf(peertest.Listen(t, func(conn net.Conn) {
			defer conn.Close()
			if !early() {
				serve(conn)
			}
		})))
		c.Protocol = protocol
		return c, direct{c.withDefaults()}
	}
	web := startHTTPS(t, func(_ int, _ request, w http.ResponseWriter) {
		if early() {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "thank you")
	})
	for _, row := range []struct {
		name string
		way  func() (Config, Dialer)
	}{
		{"tcp", func() (Config, Dialer) {
			return plain(ProtocolTCP, func(conn net.Conn) { conn.Read(make([]byte, 10)) })
		}},
		{"tls", func() (Config, Dialer) {
			shown := &tls.Config{Certificates: []tls.Certificate{ca.Server(nil, "127.0.0.1").TLS()}}
			c, under := plain(ProtocolTLS, func(conn net.Conn) { tls.Server(conn, shown).Read(make([]byte, 10)) })
			c = inTLS(t, c, t.TempDir(), ca, nil)
			return c, overTLS(t, c, under)
		}},
		{"relp", func() (Config, Dialer) {
			return plain(ProtocolRELP, func(conn net.Conn) {
				new(relpServer).serve(conn, func(c relpConn, number int) bool {
					c.answer(number, "200 OK")
					return number < 4
				})
			})
		}},
		{"auditd", func() (Config, Dialer) {
			return plain(ProtocolAuditd, func(conn net.Conn) {
				new(auditdServer).serve(auditdConn{conn}, true, func(c auditdConn, sequence uint32) bool {
					c.answer(0x40000000, sequence, "")
					return sequence < 3
				})
			})
		}},
		{"https", func() (Config, Dialer) { return byHTTPS(t, web, https.NDJSON) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, way := row.way()
			c = c.withDefaults()
			goroutines, files := runtime.NumGoroutine(), openFiles(t)
			for range 200 {
				transport, err := protocolOf(c.Protocol).open(t.Context(), &c, way, discard)
				if err != nil {
					continue
				}
				heard := make(chan error, 1)
				go func() { heard <- transport.Listen() }()
				var batch []byte
				for range 5 {
					batch = transport.Frame(batch, []byte(`{"serial":1}`))
				}
				transport.Send(batch)
				transport.Close()
				<-heard
			}
			peertest.Until(t, "everything is gone", func() bool {
				web.CloseClientConnections()
				return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
			})
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
