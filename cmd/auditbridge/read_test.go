package main

import (
	"bufio"
	"io"
	"os"
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
