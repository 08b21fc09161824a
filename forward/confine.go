package forward

import (
	"path/filepath"
	"slices"

	"auditbridge/forward/tunnel"
)

// Needs is all that ship has to reach; whatever else there is can be forbidden
// to it before it touches the network.
type Needs struct {
	JournalDir string   // read; empty: there is none to be read
	KeyDirs    []string // directories of key files and known hosts, which may be replaced there; read
	Ports      []uint16 // TCP ports connected to, sorted
	Accepts    bool     // connections at a socket that was handed over
}

// needs is what hello's destinations and tunnels make of it.
func (h *hello) needs() Needs {
	n := Needs{JournalDir: h.JournalDir, Accepts: h.Entrance != nil}
	for t := h.way(); t != nil; t = t.Via {
		n.tunnel(t)
	}
	for i := range h.Tunnels {
		for t := &h.Tunnels[i]; t != nil; t = t.Via {
			n.tunnel(t)
		}
	}
	for _, d := range h.Destinations {
		if d.Via == "" && d.Protocol != ProtocolUDP { // for UDP Landlock has no word
			n.Ports = append(n.Ports, uint16(d.Port))
		}
		if d.TLS != nil {
			n.files(d.TLS.Files()...)
			n.Ports = append(n.Ports, d.TLS.Ports()...)
		}
		if d.HTTPS != nil {
			n.files(d.HTTPS.files()...)
		}
	}
	slices.Sort(n.Ports)
	slices.Sort(n.KeyDirs)
	n.Ports, n.KeyDirs = slices.Compact(n.Ports), slices.Compact(n.KeyDirs)
	return n
}

// way is the tunnel of an entrance; nil where there is none.
func (h *hello) way() *tunnel.Config {
	if h.Entrance == nil {
		return nil
	}
	return &h.Entrance.Tunnel
}

// tunnel adds a tunnel's keys, and its server's port where that is connected to.
func (n *Needs) tunnel(t *tunnel.Config) {
	n.files(t.IdentityFile, t.KnownHosts)
	if t.CertificateFile != "" {
		n.files(t.CertificateFile)
	}
	if t.Via != nil {
		return
	}
	port := t.ServerPort
	if port == 0 {
		port = tunnel.DefaultPort
	}
	n.Ports = append(n.Ports, uint16(port))
}

// files adds where they are, and where links lead.
func (n *Needs) files(names ...string) {
	for _, file := range names {
		n.KeyDirs = append(n.KeyDirs, filepath.Dir(file))
		if real, err := filepath.EvalSymlinks(file); err == nil {
			n.KeyDirs = append(n.KeyDirs, filepath.Dir(real))
		}
	}
}
