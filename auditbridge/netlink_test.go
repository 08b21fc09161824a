package auditbridge

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/journal/ring"
)

// capture is the source "kernel" at work, and a consumer.
type capture struct {
	*Kernel
	*consumer
	end func() // stops the source, then the consumer; returns when both ended
}

// consumer takes lines from the ring and keeps them all.
type consumer struct {
	t    *testing.T
	ring *ring.Ring

	stalled atomic.Bool // it takes nothing

	mu    sync.Mutex
	lines []byte
}

func startCapture(t *testing.T, cfg KernelConfig) *capture {
	t.Helper()
	return startCaptureWith(t, cfg, ring.Config{})
}

func startCaptureWith(t *testing.T, cfg KernelConfig, ringConfig ring.Config) *capture {
	t.Helper()
	r, err := ring.Open(ringConfig)
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKernel(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	c := &capture{Kernel: k, consumer: &consumer{t: t, ring: r}}
	c.end = c.work(k)
	audittest.Poll(t, "the source owns kernel audit and it is enabled", func() bool {
		s, err := k.Status()
		return err == nil && s.PID == os.Getpid() && s.Enabled == 1
	})
	return c
}

// work runs a source until end is called, or the test ends.
func (c *consumer) work(source interface {
	Run(context.Context) error
	Close() error
}) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := source.Run(ctx); err != nil {
			c.t.Error(err)
		}
		c.ring.Close()
	})
	work.Go(c.consume)
	end = sync.OnceFunc(func() {
		c.stalled.Store(false) // a test that failed meanwhile must end, too
		stop()
		work.Wait()
		if err := source.Close(); err != nil {
			c.t.Error(err)
		}
		c.ring.Unmap()
	})
	c.t.Cleanup(end)
	return end
}

func (c *consumer) consume() {
	for !c.ring.Drained() {
		p := c.ring.Pending()
		if len(p) == 0 {
			<-c.ring.Wake()
			continue
		}
		if c.stalled.Load() {
			time.Sleep(time.Millisecond)
			continue
		}
		c.mu.Lock()
		c.lines = append(c.lines, p...)
		c.mu.Unlock()
		c.ring.Written(len(p), bytes.Count(p, []byte{'\n'}))
	}
}

// text returns all lines so far.
func (c *consumer) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.lines)
}

// line waits for a line with that in it.
func (c *consumer) line(what string) (line string) {
	c.t.Helper()
	audittest.Poll(c.t, "a line with "+what, func() bool {
		for l := range strings.Lines(c.text()) {
			if strings.Contains(l, what) {
				line = l
				return true
			}
		}
		return false
	})
	return line
}

func TestKernelRecordsArriveWholeAndTheKernelIsGivenBack(t *testing.T) {
	audit := audittest.Kernel(t)
	audit.Patient()
	before := audit.Status()
	c := startCapture(t, KernelConfig{})
	const events = 20000
	audit.Generate(events, 0, "whole")
	c.end()

	serials := map[uint32]int{}
	for line := range strings.Lines(c.text()) {
		h, ok := ParseHeader([]byte(line))
		if !ok {
			t.Fatalf("not a record: %q", line)
		}
		if strings.HasPrefix(line, "type=SYSCALL ") && strings.Contains(line, ` key="whole"`) {
			serials[h.ID.Serial]++
		}
	}
	if len(serials) != events {
		t.Errorf("%d of %d events arrived", len(serials), events)
	}
	for serial, n := range serials {
		if n != 1 {
			t.Fatalf("event %d arrived %d times", serial, n)
		}
	}
	after := audit.Status()
	if after.Lost != before.Lost {
		t.Errorf("the kernel lost %d", after.Lost-before.Lost)
	}
	if s := c.Stats(); s != (KernelStats{}) {
		t.Errorf("stats %+v", s)
	}
	if after != before {
		t.Errorf("found %+v, given back %+v", before, after)
	}
}

func TestRunStopsAtOnceOnAQuietHost(t *testing.T) {
	audittest.Kernel(t)
	c := startCapture(t, KernelConfig{})
	done := make(chan struct{})
	go func() { c.end(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("Run hangs when nothing is logged")
	}
	if !strings.Contains(c.text(), "op=set audit_enabled=0 old=1") {
		t.Error("the record of disabling audit is not received")
	}
}

func TestUserMessagesStayOneLineAndReversible(t *testing.T) {
	audit := audittest.Kernel(t)
	c := startCapture(t, KernelConfig{})
	for _, row := range []struct{ name, text, want string }{
		{"plain", "op=login acct=a", "op=login acct=a"},
		{"newline", "op=nl acct=x\ntype=USER_LOGIN msg=audit(1.000:1): auid=0", "op=nl acct=x\ntype=USER_LOGIN msg=audit(1.000:1): auid=0"},
		{"ESC", "op=esc \x1b[2J", "op=esc \x1b[2J"},
		{"0x1d", "op=gs a\x1dAUID=\"root\"", "op=gs a\x1dAUID=\"root\""},
		{"NUL ends the text in the kernel", "op=nul a\x00b", "op=nul a"},
		{"backslash beside a control byte", "op=back \\x0A \t", "op=back \\x0A \t"},
		{"what looks escaped", "op=mark ab-esc=1", "op=mark ab-esc=1"},
		{"UTF-8", "op=utf Größe", "op=utf Größe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			audit.SendUserMessage(1112, row.text)
			op, _, _ := strings.Cut(row.text, " ")
			line := c.line("msg='" + op)
			got := string(AppendUnescaped(nil, []byte(strings.TrimSuffix(line, "\n"))))
			if !strings.HasSuffix(got, " msg='"+row.want+"'") {
				t.Errorf("line %q unescapes to %q, want it to end in %q", line, got, row.want)
			}
			for _, b := range []byte(strings.TrimSuffix(line, "\n")) {
				if isControl(b) {
					t.Errorf("control byte %#x in %q", b, line)
				}
			}
		})
	}
}

func TestClaimedIdentityDoesNotReplaceTheKernels(t *testing.T) {
	audit := audittest.Kernel(t)
	c := startCapture(t, KernelConfig{})
	audit.SendUserMessage(1112, "op=claim\ntype=USER_LOGIN msg=audit(1.000:1): pid=1 uid=0 auid=31337 ses=1")
	line := c.line("op=claim")
	kernelPart, _, _ := strings.Cut(line, " msg='")
	if !strings.Contains(kernelPart, " auid=4294967295 ") && !strings.Contains(kernelPart, " auid=0 ") {
		t.Errorf("the kernel's own auid is missing in %q", kernelPart)
	}
	if strings.Contains(kernelPart, "31337") {
		t.Errorf("the text's auid stands where the kernel's belongs: %q", line)
	}
}

func TestLongestUserMessageArrivesWhole(t *testing.T) {
	audit := audittest.Kernel(t)
	c := startCapture(t, KernelConfig{})
	for _, fill := range []string{"x", "\x01"} {
		op := map[string]string{"x": "op=long-plain ", "\x01": "op=long-control "}[fill]
		text := op + strings.Repeat(fill, 8560-len(op)-1)
		audit.SendUserMessage(1112, text)
		line := strings.TrimSuffix(c.line(strings.TrimSpace(op)), "\n")
		if got := string(AppendUnescaped(nil, []byte(line))); !strings.HasSuffix(got, "msg='"+text+"'") {
			t.Errorf("%sof %d bytes came as %d bytes, %d unescaped", op, len(text), len(line), len(got))
		}
	}
	if c.Stats().Truncated != 0 {
		t.Error("a message was longer than a slot")
	}
}

func TestTypesWithoutANameAreKept(t *testing.T) {
	audit := audittest.Kernel(t)
	c := startCapture(t, KernelConfig{})
	audit.SendUserMessage(1199, "op=unnamed")
	if line := c.line("op=unnamed"); !strings.HasPrefix(line, "type=UNKNOWN[1199] msg=audit(") {
		t.Errorf("line %q", line)
	}
}

func TestKernelAuditOfAnotherOwnerIsRefused(t *testing.T) {
	audit := audittest.Kernel(t)
	startCapture(t, KernelConfig{}) // this process is the other's other owner
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	k, err := OpenKernel(KernelConfig{}, r)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	before := audit.Status()
	err = k.Run(t.Context())
	var owned OwnedError
	if !errors.As(err, &owned) || owned.PID != os.Getpid() || !strings.Contains(owned.Hint(), "plugin") {
		t.Errorf("second owner: %v", err)
	}
	if after := audit.Status(); after.PID != before.PID || after.Enabled != before.Enabled {
		t.Errorf("the refused source changed the kernel: %+v to %+v", before, after)
	}
}

func TestStockAuditdAsOwnerIsNamed(t *testing.T) {
	audit := audittest.Kernel(t)
	auditd := startAuditd(t, audit)
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	_, err = OpenKernel(KernelConfig{}, r)
	var owned OwnedError
	if !errors.As(err, &owned) || owned.PID != auditd.PID() || !strings.Contains(err.Error(), "auditd") {
		t.Errorf("opened beside auditd: %v", err)
	}
}
