package config

import (
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"auditbridge/forward/entrance"
	"auditbridge/internal/unixsocket"
)

// A forwarding with listen = true is an entrance: other programs of this host may send
// through it.

// entrance settles where one is and refuses what cannot be. sockets holds those of the
// forwardings before.
func (k *completion) entrance(f *Forwarding, path string, sockets map[string]string) {
	if !f.Listen {
		for _, key := range []string{".listen-socket", ".listen-uids", ".listen-connections", ".listen-idle"} {
			if k.origins[path+key].at.File != "" {
				k.warn(path+key, "write listen = true", "nothing listens for other programs at %s", f.Name)
			}
		}
		return
	}
	if f.RemotePort == 0 {
		k.wrongAt(path, path+".remote-port", "where the SSH server is to take them", "missing, and other programs are to send through %s", f.Name)
	}
	if f.ListenConnections > entrance.MostGuests {
		k.wrong(path+".listen-connections", "", "%s are more than %d", f.ListenConnections, entrance.MostGuests)
	}
	if f.ListenSocket == "" {
		k.port(f, path)
		return
	}
	if !strings.Contains(f.ListenSocket, "/") {
		f.ListenSocket = filepath.Join(k.RunDir, f.ListenSocket)
	}
	if !k.absolute(path+".listen-socket", f.ListenSocket) {
		return
	}
	f.ListenSocket = filepath.Clean(f.ListenSocket)
	if len(f.ListenSocket) > unixsocket.MaxPath {
		k.wrong(path+".listen-socket", "", "a socket's path has at most %d bytes, %s has %d", unixsocket.MaxPath, f.ListenSocket, len(f.ListenSocket))
	}
	for _, own := range []string{k.ControlSocket(), k.WatchSocket(), k.MetricsAddress().Place, k.RingFile()} {
		if f.ListenSocket == own {
			k.wrong(path+".listen-socket", "give it a name of its own", "%s is auditbridge's own", own)
		}
	}
	k.once(sockets, f.ListenSocket, path, ".listen-socket", "two forwardings listen at %q")
	if len(f.ListenUIDs) == 0 {
		k.wrong(path+".listen-uids", `such as ["root"]`, "nobody may come to %s", f.ListenSocket)
	}
}

// port is for an entrance at a TCP port: nobody can tell who comes there.
func (k *completion) port(f *Forwarding, path string) {
	const better = `with listen-socket = "NAME.sock" and listen-uids only those may whom you name`
	if k.origins[path+".listen-uids"].at.File != "" {
		k.wrong(path+".listen-uids", "write listen-socket, too", "over TCP it cannot be told who comes to %s", f.Name)
	}
	if f.LocalPort == 0 {
		k.wrongAt(path, path+".listen-socket", `such as "NAME.sock", which is in run-dir; or a TCP port, in local-port`, "missing: where is %s to listen?", f.Name)
		return
	}
	if at, err := netip.ParseAddr(f.LocalAddress); err != nil || !at.Unmap().IsLoopback() {
		k.wrongAt(path, path+".local-address", "write 127.0.0.1, or a Unix socket in listen-socket", "%s is no numeric address of the loopback interface: other hosts could reach it", f.LocalAddress)
		return
	}
	if f.RemotePort == 0 {
		return // which has been said
	}
	if m := k.MetricsAddress(); m.Network == "tcp" && m.Place == endpoint(f.LocalAddress, f.LocalPort) {
		k.wrong(path+".local-port", "give each its own", "%s is metrics.listen already", m.Place)
	}
	k.warn(path+".listen", better, "every user of this host may send to %s through %s, and pose as it while run is not running", endpoint(f.RemoteHost, f.RemotePort), f.Name)
}

// entrances looks at what they name on this host.
func (k *completion) entrances() {
	for i := range k.Forwardings {
		f, path := &k.Forwardings[i], fmt.Sprintf("port-forwarding[%d]", i)
		if !f.Listen || f.ListenSocket == "" {
			continue
		}
		k.trusted(path+".listen-socket", filepath.Dir(f.ListenSocket))
		if info, err := os.Stat(filepath.Dir(f.ListenSocket)); err == nil && info.Mode()&os.ModeSticky != 0 && info.Mode()&0o022 != 0 {
			k.wrong(path+".listen-socket", `such as "NAME.sock", which is in run-dir`, "%s is writable by others: whoever comes first could listen there", filepath.Dir(f.ListenSocket))
		}
		if info, err := os.Lstat(f.ListenSocket); err == nil && info.Mode().Type() != os.ModeSocket {
			k.wrong(path+".listen-socket", "", "%s exists and is no socket", f.ListenSocket)
		}
		for _, name := range f.ListenUIDs {
			if _, err := uidOf(name); err != nil {
				k.wrong(path+".listen-uids", UserHint(name), "%v", err)
			}
		}
	}
}

// uidOf is the number of a user who is named, or numbered.
func uidOf(name string) (uint32, error) {
	if number, err := strconv.ParseUint(name, 10, 32); err == nil && number < 1<<32-1 { // -1 is nobody at all
		return uint32(number), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %q on this host", name)
	}
	number, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(number), err
}

// Entrance is where f listens for other programs: unix:/path or address:port.
func (f *Forwarding) Entrance() string {
	if f.ListenSocket != "" {
		return "unix:" + f.ListenSocket
	}
	return endpoint(f.LocalAddress, f.LocalPort)
}

// Everybody is who may come to a TCP port.
const Everybody = "everybody"

// Guests says in words who may come there.
func (f *Forwarding) Guests() string {
	if f.ListenSocket == "" {
		return Everybody
	}
	return strings.Join(f.ListenUIDs, ", ")
}

// Entrances is an entrance.Config for each forwarding with listen = true.
func (c *Config) Entrances() (all []entrance.Config) {
	for i, t := range c.Tunnels() {
		f := &c.Forwardings[i]
		if !f.Listen {
			continue
		}
		e := entrance.Config{Tunnel: t, Socket: f.ListenSocket, Most: int(f.ListenConnections), Idle: time.Duration(f.ListenIdle)}
		for _, name := range f.ListenUIDs {
			if uid, err := uidOf(name); err == nil && f.ListenSocket != "" { // probe has refused the others
				e.UIDs = append(e.UIDs, uid)
			}
		}
		all = append(all, e)
	}
	return all
}
