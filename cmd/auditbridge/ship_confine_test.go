package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"auditbridge/forward"
	"auditbridge/internal/audittest"

	"golang.org/x/sys/unix"
)

// TestShipCanDoNothingButItsWork tries, as root, in a process that is confined
// as ship is: what it needs is granted, all else refused.
func TestShipCanDoNothingButItsWork(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t) // each refusal is an audit record, which nobody else's test shall meet
	dir := t.TempDir()
	for _, name := range []string{"journal", "keys", "elsewhere"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o600))
	}
	allowed, forbidden := listen(t), listen(t)
	confined := func(work string) string {
		try := exec.Command("/proc/self/exe", dir, allowed, forbidden, fmt.Sprint(os.Getpid()), work)
		try.Args[0] = "confined"
		out, err := try.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	want := `read the journal: done
list the journal: done
read a key: done
resolve a name: done
connect to the destination: done
write into the journal: permission denied
remove from the journal: permission denied
read elsewhere: permission denied
read accounts: permission denied
execute a program: operation not permitted
execute itself: operation not permitted
connect elsewhere: permission denied
connect elsewhere by what is sent: operation not permitted
connect elsewhere by what is sent as a message: operation not permitted
open a multipath TCP socket: operation not permitted
bind: permission denied
listen: operation not permitted
accept: operation not permitted
open the audit socket: operation not permitted
open a packet socket: operation not permitted
look into run: operation not permitted
signal run: operation not permitted
`
	if got := confined("relays"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// At an entrance it accepts, at the socket that it was given, and has no journal.
	atEntrance := strings.NewReplacer("read the journal: done", "read the journal: permission denied", "list the journal: done", "list the journal: permission denied",
		"accept: operation not permitted", "accept: done").Replace(want)
	if got := confined("entrance"); got != atEntrance {
		t.Errorf("at an entrance: got\n%swant\n%s", got, atEntrance)
	}
}

func loopback(port string) unix.Sockaddr {
	number, _ := strconv.Atoi(port)
	return &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}
}

func listen(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// tryConfined is what the test's process does.
func tryConfined() {
	dir, allowed, forbidden := os.Args[1], os.Args[2], os.Args[3]
	run, _ := strconv.Atoi(os.Args[4])
	port, _ := strconv.ParseUint(allowed, 10, 16)
	n := forward.Needs{JournalDir: filepath.Join(dir, "journal"), KeyDirs: []string{filepath.Join(dir, "keys")}, Ports: []uint16{uint16(port)}}
	journal := n.JournalDir
	if os.Args[5] == "entrance" {
		n.JournalDir, n.Accepts = "", true
	}
	given, err := net.Listen("tcp", "127.0.0.1:0") // as a socket is that was handed over
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	come := exec.Command("/proc/self/exe", "tcp", given.Addr().String())
	come.Args[0] = "guest"
	if err := come.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := confine(n, slog.Default()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	read := func(path ...string) error { _, err := os.ReadFile(filepath.Join(path...)); return err }
	connect := func(port string) error { _, err := net.Dial("tcp", "127.0.0.1:"+port); return err }
	tcp, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	attempts{
		{"read the journal", read(dir, "journal", "file")},
		{"list the journal", second(os.ReadDir(journal))},
		{"read a key", read(dir, "keys", "file")},
		{"resolve a name", second(net.LookupHost("localhost"))},
		{"connect to the destination", connect(allowed)},
		{"write into the journal", os.WriteFile(filepath.Join(journal, "file"), nil, 0o600)},
		{"remove from the journal", os.Remove(filepath.Join(journal, "file"))},
		{"read elsewhere", read(dir, "elsewhere", "file")},
		{"read accounts", read("/etc/passwd")},
		{"execute a program", unix.Exec("/bin/true", []string{"true"}, nil)},
		{"execute itself", unix.Exec("/proc/self/exe", []string{"auditbridge"}, nil)},
		{"connect elsewhere", connect(forbidden)},
		{"connect elsewhere by what is sent", unix.Sendto(tcp, []byte("x"), unix.MSG_FASTOPEN, loopback(forbidden))},
		{"connect elsewhere by what is sent as a message", unix.Sendmsg(tcp, []byte("x"), nil, loopback(forbidden), unix.MSG_FASTOPEN)},
		{"open a multipath TCP socket", second(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP))},
		{"bind", unix.Bind(tcp, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})},
		{"listen", unix.Listen(tcp, 1)},
		{"accept", second(given.Accept())},
		{"open the audit socket", second(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT))},
		{"open a packet socket", second(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0))},
		{"look into run", unix.PtraceAttach(run)},
		{"signal run", syscall.Kill(run, syscall.SIGCONT)},
	}.print()
}

// attempts are what was tried, and what came of it.
type attempts []struct {
	what string
	err  error
}

func (all attempts) print() {
	for _, a := range all {
		var errno syscall.Errno
		outcome := "done"
		if errors.As(a.err, &errno) {
			outcome = errno.Error()
		} else if a.err != nil {
			outcome = strings.TrimSpace(a.err.Error())
		}
		fmt.Printf("%s: %s\n", a.what, outcome)
	}
}

func second[T any](_ T, err error) error { return err }
