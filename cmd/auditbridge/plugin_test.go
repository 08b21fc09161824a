package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// executable copies this very binary to where everybody may start it.
func executable(t *testing.T, d *instance) (path string) {
	t.Helper()
	path = filepath.Join(d.dir, "auditbridge")
	from, err := os.Open("/proc/self/exe")
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	must(t, os.Chmod(path, 0o755))
	return path
}

// pluginConf is packaging/plugins.d/auditbridge.conf, switched on, for this very
// binary and d's configuration.
func pluginConf(t *testing.T, d *instance) string {
	t.Helper()
	exe := executable(t, d)
	text, err := os.ReadFile("../../packaging/plugins.d/auditbridge.conf")
	must(t, err)
	conf := string(text)
	for _, change := range [][2]string{{"active = no", "active = yes"}, {"/usr/sbin/auditbridge", exe}, {"args = run", "args = run --config=" + d.config}} {
		if strings.Count(conf, change[0]) != 1 {
			t.Fatalf("the plugin's configuration does not say %q once:\n%s", change[0], conf)
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	return conf
}

// TestPluginOfStockAuditd: started by auditd itself, under load, we hold every
// record that auditd logs; also when the plugin is killed and auditd starts
// another, when auditd reloads, and when it is restarted.
func TestPluginOfStockAuditd(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.OnlySystemCalls() // whoever logs in while nobody hears the kernel
	d := newDaemon(t, fromStdin)
	auditd := peertest.NewAuditd(t, "q_depth = 90000\nnum_logs = 0\nmax_log_file_action = ignore\n")
	auditd.Plugin(t, "auditbridge", pluginConf(t, d))
	begin := func() (pid int) {
		t.Helper()
		auditd.Start(t)
		peertest.Until(t, "auditd has its plugin", func() bool {
			s, ok := d.status()
			pid = s.PID
			return ok && s.Answering && kernel.Status().PID == auditd.PID() && isChild(pid, auditd.PID())
		})
		return pid
	}

	begin()
	kernel.Generate(3000, 0, "load")
	auditd.Tell(syscall.SIGHUP)
	peertest.Until(t, "auditd has reloaded", func() bool { return strings.Contains(read(t, auditd.Log), "op=reconfigure") })
	kernel.Generate(1000, 0, "reloaded")
	killed := 0
	d.until("the books balance after a reload", func(s status.Status) bool {
		killed = s.PID
		return s.Running && s.Answering && s.Balanced
	})

	// Killed while it does not read, so that what auditd has written is lost with the
	// socket it stands in.
	must(t, syscall.Kill(killed, syscall.SIGSTOP))
	kernel.Generate(2000, 0, "kill")
	must(t, syscall.Kill(killed, syscall.SIGKILL))
	kernel.Generate(500, 0, "after-the-kill")
	peertest.Until(t, "auditd has another plugin, and it has noticed what is missing", func() bool {
		s, ok := d.status()
		return ok && s.Answering && s.PID != killed && s.KernelLost > 0
	})

	auditd.Stop()
	second := begin() // while the one before may still be ending
	kernel.Generate(500, 0, "restarted")
	auditd.Stop()
	peertest.Until(t, "the plugin has ended", func() bool { return peertest.HasEnded(second) })

	logged, journal := withoutReloads(lines(t, auditd.Log)), withoutReloads(foreign(d.journalLines()))
	lost := compare(t, logged, journal)
	events := map[int]bool{}
	for _, line := range lost {
		events[number(t, serial.FindStringSubmatch(line)[1])] = true
	}
	for _, line := range journal { // an event of which some came is not missing
		if m := serial.FindStringSubmatch(line); m != nil {
			delete(events, number(t, m[1]))
		}
	}
	missing, first, last := 0, 1<<32, 0
	for _, m := range serialsMissing.FindAllStringSubmatch(strings.Join(d.journalLines(), "\n"), -1) {
		missing += number(t, m[1])
		first, last = min(first, number(t, m[2])), max(last, number(t, m[3]))
	}
	for event := range events {
		if event < first || event > last {
			t.Errorf("event %d is lost; on record is a gap from %d to %d", event, first, last)
		}
	}
	t.Logf("auditd logged %d records, %d of them, of %d events, were in the killed plugin's hands; on record are %d", len(logged), len(lost), len(events), missing)
	// Of what nobody heard while auditd was away we know, too.
	if missing < len(events) || missing > len(events)+20 || len(events) == 0 {
		t.Errorf("%d events lost, on record are %d", len(events), missing)
	}
	for _, want := range []string{"type=DAEMON_START ", "type=DAEMON_END ", "type=EOE "} {
		if !slices.ContainsFunc(journal, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("the journal has no %s", want)
		}
	}
	if out, _, code := auditbridgeCommand(t, "verify", d.journal); code != 0 {
		t.Errorf("verify exits %d:\n%s", code, out)
	}
}

var (
	serial         = regexp.MustCompile(`:([0-9]+)\): `)
	serialsMissing = regexp.MustCompile(` op=serials-missing .* missing=([0-9]+) first-serial=([0-9]+) last-serial=([0-9]+) `)
)

func number(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	must(t, err)
	return n
}

// withoutReloads leaves out auditd's record of a reload, which it logs, and hands to
// its plugins only when it could not find out who asked for it.
func withoutReloads(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "type=DAEMON_CONFIG ") })
}

// compare returns the lines of logged that stored lacks. What stored has more may
// only be EOE, which auditd does not log; all else in the same order.
func compare(t *testing.T, logged, stored []string) (lacks []string) {
	t.Helper()
	i := 0
	for _, line := range stored {
		if strings.HasPrefix(line, "type=EOE ") {
			continue
		}
		at := slices.Index(logged[i:], line)
		if at < 0 {
			t.Errorf("stored and not logged, or twice, or out of order: %s", line)
			continue
		}
		lacks = append(lacks, logged[i:i+at]...)
		i += at + 1
	}
	return append(lacks, logged[i:]...)
}

var own = regexp.MustCompile(`^type=DAEMON_\w+ msg=audit\([0-9.]+:42[0-9]{8}\): op=`)

// foreign leaves out our own lines.
func foreign(all []string) []string {
	return slices.DeleteFunc(all, own.MatchString)
}

func isChild(pid, of int) bool { return slices.Contains(peertest.Descendants(of), pid) }

// TestPluginBeforeItsPredecessorHasEnded: auditd starts a plugin again without
// waiting for the one before. The new one takes at once what auditd writes, and
// stores it when the other has gone; with every signal blocked, as auditd has them
// when it starts a plugin again.
func TestPluginBeforeItsPredecessorHasEnded(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	d.feed(numbered(1, 100))
	firstEnded, firstSaid := d.ended, d.said
	firstInput := d.stdin
	d.as = func(cmd *exec.Cmd) {
		null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
		must(t, err)
		cmd.Stdout, cmd.Stderr = null, null
	}
	blocked(t, d)
	d.launch()
	d.feed(numbered(101, 2_000)) // far more than the pipe holds, and nobody stores it yet
	select {
	case <-firstEnded:
		t.Fatalf("the first has ended:\n%s", firstSaid)
	default:
	}
	firstInput.Close()
	<-firstEnded
	d.until("the second stores what it was given", func(s status.Status) bool {
		return s.PID == d.cmd.Process.Pid && s.Stored == 2_000 && s.Balanced
	})
	must(t, d.cmd.Process.Signal(syscall.SIGHUP)) // a reload of auditd's
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	if <-d.ended; d.err != nil {
		t.Error(d.err)
	}
	if got := foreign(d.journalLines()); len(got) != 2_100 {
		t.Errorf("%d records stored of 2100", len(got))
	}
}

// blocked has d started with those signals blocked that auditd's dispatcher thread
// has blocked.
func blocked(t *testing.T, d *instance) {
	t.Helper()
	exe, as := executable(t, d), d.as
	d.as = func(cmd *exec.Cmd) {
		as(cmd)
		cmd.Path = "/usr/bin/env"
		cmd.Args = append([]string{"env", "--block-signal=HUP,TERM,USR1,USR2,CHLD,CONT", exe}, cmd.Args[1:]...)
	}
}

// TestUnixSocketOfStockAuditd: auditd's own plugin af_unix hands its records to
// us; an auditd that is restarted is a gap on record, and it is heard again.
func TestUnixSocketOfStockAuditd(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	auditd := peertest.NewAuditd(t, "q_depth = 90000\nnum_logs = 0\nmax_log_file_action = ignore\n")
	socket := filepath.Join(filepath.Dir(auditd.Log), "events")
	auditd.Plugin(t, "af_unix", "active = yes\ndirection = out\npath = builtin_af_unix\ntype = builtin\nargs = 0640 "+socket+"\nformat = string\n")
	d := newDaemon(t, "[audit]\nsource = \"unix:"+socket+"\"\n")
	d.start()
	d.until("status says that there is no socket yet", func(s status.Status) bool {
		return s.State == status.Impaired && strings.Contains(s.DeafBecause, "events: connect: no such file")
	})
	hears := func(s status.Status) bool { return s.Answering && s.DeafBecause == "" } // what was lost meanwhile stays in status
	auditd.Start(t)
	d.until("we hear auditd", hears)
	stored := func(name string) {
		t.Helper()
		kernel.SendUserMessage(1112, `op=login acct="`+name+`" res=success`)
		peertest.Until(t, name+" is stored", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), name) })
	}
	kernel.Generate(3000, 0, "first")
	stored("the-end-of-the-first") // what auditd has not handed over when it is stopped, it forgets
	auditd.Stop()
	// First because it was closed, and soon because nobody is there to connect to.
	d.until("we hear nothing", func(s status.Status) bool { return s.DeafBecause != "" })
	auditd.Start(t)
	d.until("we hear auditd again", hears)
	kernel.Generate(3000, 0, "second")
	stored("the-last-one")
	auditd.Stop()
	d.stop()

	journal := d.journalLines()
	for _, line := range compare(t, withoutReloads(lines(t, auditd.Log)), withoutReloads(foreign(slices.Clone(journal)))) {
		if strings.Contains(line, "key=\"first\"") || strings.Contains(line, "key=\"second\"") {
			t.Errorf("not stored: %s", line)
		}
	}
	var said []string
	for _, line := range journal {
		if _, after, found := strings.Cut(line, "op=source-"); found {
			word, _, _ := strings.Cut(after, " ")
			said = append(said, word)
		}
	}
	if got := strings.Join(said, " "); !strings.HasPrefix(got, "lost heard lost heard") {
		t.Errorf("on record is: %s", got)
	}
}

// TestWhereNothingIsReadSyslogIsTold: auditd gives its plugins the null device to
// speak to. What run has to say, and why it does not start, reaches the host's
// syslog instead.
func TestWhereNothingIsReadSyslogIsTold(t *testing.T) {
	beside(t)
	for _, row := range []struct{ name, settings, want string }{
		{"a sound configuration", fromStdin, `level=INFO msg="auditbridge runs"`},
		{"a configuration that is not", "[audit]\nsource = \"plug\"\n", `level=ERROR msg="auditbridge run ends" err=`},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDaemon(t, row.settings)
			dev := filepath.Join(d.dir, "dev")
			must(t, os.Mkdir(dev, 0o755))
			for name, minor := range map[string]uint32{"null": 3, "urandom": 9} {
				must(t, unix.Mknod(filepath.Join(dev, name), unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))))
			}
			syslog, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dev, "log"), Net: "unixgram"})
			must(t, err)
			defer syslog.Close()
			self, err := os.Executable()
			must(t, err)
			cmd := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c",
				`mount --bind "$2" /dev && exec -a auditbridge "$0" run --config "$1" </dev/null >/dev/null 2>&1`, self, d.config, dev)
			must(t, peertest.StartChild(cmd))
			defer cmd.Wait()
			must(t, syslog.SetReadDeadline(time.Now().Add(peertest.Patience)))
			said := make([]byte, 9000)
			n, err := syslog.Read(said)
			must(t, err)
			if !strings.Contains(string(said[:n]), "auditbridge["+strconv.Itoa(cmd.Process.Pid)+"]: "+row.want) {
				t.Errorf("syslog heard %s", said[:n])
			}
		})
	}
}
