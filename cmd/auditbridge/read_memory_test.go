package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// Whatever comes, and however much of it, read needs no more than 64 MB.
func TestReadNeedsLittleMemoryWhateverComes(t *testing.T) {
	beside(t)
	syscallBody := "arch=c000003e syscall=121 success=yes exit=0 " + strings.Repeat("a=0 ", 60)
	controls := strings.Repeat("\x01", 60_000)
	for _, row := range []struct {
		name  string
		write func(w io.Writer)
	}{
		{"no EOE", func(w io.Writer) {
			for i := range 150_000 {
				fmt.Fprintf(w, "type=SYSCALL msg=audit(%d.000:%d): %s\ntype=PROCTITLE msg=audit(%[1]d.000:%[2]d): proctitle=6100\n", 1_700_000_000+i/20_000, i, syscallBody)
			}
		}},
		{"nothing that ends an event, and no time passes", func(w io.Writer) {
			for i := range 200_000 {
				fmt.Fprintf(w, "type=SYSCALL msg=audit(1.000:%d): %s\n", i, syscallBody)
			}
		}},
		{"a node for each line", func(w io.Writer) {
			for i := range 300_000 {
				fmt.Fprintf(w, "node=%0200d type=LOGIN msg=audit(1.000:%[1]d): pid=1 res=1\n", i)
			}
		}},
		{"a line without end", func(w io.Writer) {
			for range 2000 {
				io.WriteString(w, controls)
			}
		}},
		{"lines of 1 MB", func(w io.Writer) {
			for range 100 {
				fmt.Fprintf(w, "type=LOGIN msg=audit(1.000:1): %s\n", strings.Repeat("x", 1<<20))
			}
		}},
		{"the longest lines, all of them escaped", func(w io.Writer) {
			for i := range 1500 {
				fmt.Fprintf(w, "type=PATH msg=audit(1.000:%d): name=\"%s\"\n", i, controls)
			}
		}},
		{"one event, of the longest lines", func(w io.Writer) {
			for range 1500 {
				fmt.Fprintf(w, "type=PATH msg=audit(1.000:1): name=\"%s\"\n", controls)
			}
		}},
		{"one event, of the shortest lines", func(w io.Writer) {
			for range 1_500_000 {
				io.WriteString(w, "type=PATH msg=audit(1.000:1): \n")
			}
		}},
		{"one argument", func(w io.Writer) {
			fmt.Fprintf(w, "type=EXECVE msg=audit(1.000:1): argc=1 a0_len=99999999 a0[0]=00")
			for i := range 600_000 {
				if i%500 == 499 {
					fmt.Fprintf(w, "\ntype=EXECVE msg=audit(1.000:1):")
				}
				fmt.Fprintf(w, " a0[%d]=%s", i+1, strings.Repeat("01", 40))
			}
			io.WriteString(w, "\n")
		}},
		{"more keys than a record has", func(w io.Writer) {
			var b strings.Builder
			for i := range 9000 {
				fmt.Fprintf(&b, " %d=", i)
			}
			for range 1500 {
				fmt.Fprintf(w, "type=LOGIN msg=audit(1.000:1):%s\n", b.String())
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) { needsLittleMemory(t, row.write) })
	}
}

// An event that is large is, in every format, even where it has to be whole
// before it can be written.
func TestReadNeedsLittleMemoryInEveryFormat(t *testing.T) {
	beside(t)
	for _, row := range []struct{ name, line string }{
		{"escaped names", `type=PATH msg=audit(1.000:1): name="` + strings.Repeat("\x01", 8000) + `"`},
		{"keys", "type=PATH msg=audit(1.000:1):" + strings.Repeat(" k=", 2700)},
		{"arguments", "type=EXECVE msg=audit(1.000:1): argc=1 a0=" + strings.Repeat("01", 4000)},
	} {
		for _, flags := range []string{"--ecs", "-o text", "-o rfc5424", "-o rfc3164", "-o cef", "-o audit --since 1969-12-31"} {
			t.Run(row.name+" "+flags, func(t *testing.T) {
				needsLittleMemory(t, func(w io.Writer) {
					for range 1200 {
						fmt.Fprintln(w, row.line)
					}
				}, strings.Fields(flags)...)
			})
		}
	}
}

func needsLittleMemory(t *testing.T, write func(io.Writer), flags ...string) {
	t.Helper()
	cmd := exec.Command("auditbridge", append([]string{"read"}, flags...)...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, peertest.StartChild(cmd))
	go func() {
		w := bufio.NewWriterSize(in, 1<<20)
		write(w)
		w.Flush()
		in.Close()
	}()
	ended, resident := make(chan struct{}), make(chan int)
	go func() { resident <- mostResident(cmd.Process.Pid, ended) }()
	printed, err := io.Copy(io.Discard, out)
	close(ended)
	peak := <-resident
	must(t, err)
	must(t, cmd.Wait())
	if t.Logf("%d MB printed, %d MB resident", printed>>20, peak>>10); peak == 0 || peak > 64<<10 {
		t.Errorf("%d KB resident", peak)
	}
}

// mostResident is the most memory, in KB, that a process was seen to have
// resident. What wait4 says of it would count what the test had when it forked.
func mostResident(pid int, ended <-chan struct{}) (most int) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, found := strings.Cut(string(text), "VmHWM:"); found {
			kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, _ := strconv.Atoi(kb)
			most = max(most, n)
		}
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
	}
}
