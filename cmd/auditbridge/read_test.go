package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// readInto runs read on a stream; its error comes when it has ended.
func readInto(t *testing.T, in io.Reader, out io.Writer, flags readFlags) <-chan error {
	t.Helper()
	flags.ids = "host"
	job, err := flags.job(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	job.in, job.out, job.err = in, out, io.Discard
	ended := make(chan error, 1)
	go func() { ended <- job.run(t.Context(), []string{"-"}) }()
	return ended
}

func TestAPipeCanBeWatched(t *testing.T) {
	in, feed := io.Pipe()
	show, out := io.Pipe()
	ended := readInto(t, in, out, readFlags{output: "json"})
	lines := bufio.NewReader(show)
	for _, serial := range []string{"1", "2", "3"} {
		io.WriteString(feed, "type=USER_LOGIN msg=audit(1.000:"+serial+"): pid=1 msg='op=login res=success'\n")
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"serial":`+serial+`,`) {
			t.Fatalf("%q, %v", line, err) // before anything else is written
		}
	}
	feed.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Several goroutines format; what comes out stands in the order it went in.
func TestOrderIsKept(t *testing.T) {
	beside(t)
	var log, out bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&log, "type=USER_LOGIN msg=audit(1.000:%d): pid=1 msg='op=login text=%s res=success'\n", i, strings.Repeat("x", i*7919%500))
		if i%20_000 == 19_999 { // too large to be handed on
			for range 100 {
				fmt.Fprintf(&log, "type=SYSCALL msg=audit(1.000:%d): x=%s\n", 100_000+i, strings.Repeat("x", 60_000))
			}
			fmt.Fprintf(&log, "type=EOE msg=audit(1.000:%d): \n", 100_000+i)
		}
	}
	if err := <-readInto(t, &log, &out, readFlags{output: "json"}); err != nil {
		t.Fatal(err)
	}
	next, large := 0, 0
	for line := range strings.Lines(out.String()) {
		serial, _ := strconv.Atoi(line[strings.Index(line, `"serial":`)+9 : strings.Index(line, `,"class"`)])
		switch {
		case serial == next:
			next++
		case serial == 100_000+next-1:
			large++
		default:
			t.Fatalf("%d where %d should be", serial, next)
		}
	}
	if next != 60_000 || large != 3 {
		t.Errorf("%d events, and %d large ones", next, large)
	}
}

func TestReadEndsWhenItCannotPrint(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	endless := io.MultiReader(strings.NewReader(strings.Repeat("no record\n", 1<<20)), endlessZeros{})
	if err := <-readInto(t, endless, full, readFlags{output: "audit"}); err == nil || !strings.Contains(err.Error(), "print events: write /dev/full: no space left on device") {
		t.Error(err)
	}
}

type endlessZeros struct{}

func (endlessZeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
