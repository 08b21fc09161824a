package tlslink

import (
	"bytes"
	"testing"

	"auditbridge/internal/peertest"
)

// What has reached the far host is whole writes, whose every sealed byte has.
func TestReachedCountsOurBytes(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	conn, err := newSite(t, ca).dial(serve(t, showing(ca.Server(nil, host).TLS())))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	under := conn.carrier.Carrier.(*plain)
	under.arrived = conn.carrier.written.Load() // the handshake
	if n := conn.Reached(); n != 0 {
		t.Errorf("%d reached before anything was written", n)
	}
	var sealed []uint64
	for _, size := range []int{100, 60_000, 1} {
		if _, err := conn.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, conn.carrier.written.Load())
	}
	for _, step := range []struct{ arrived, want uint64 }{
		{sealed[0] - 1, 0}, {sealed[0], 100}, {sealed[1] - 1, 100}, {sealed[1], 60_100}, {sealed[2], 60_101}, {sealed[2], 60_101},
	} {
		under.arrived = step.arrived
		if n := conn.Reached(); n != step.want {
			t.Errorf("of %d sealed bytes: %d reached, want %d", step.arrived, n, step.want)
		}
	}
}
