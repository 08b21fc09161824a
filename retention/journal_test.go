package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/journal/ring"
)

// A live journal beyond max-size loses its oldest segments while it goes on
// recording, and says which, and what a relay never got. What stays reads from
// the first line kept to the last without a hole.
func TestKeeperOnALiveJournal(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"journal", "state"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r, err := ring.Open(ring.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{
		Dir: filepath.Join(dir, "journal"), StateDir: filepath.Join(dir, "state"), GroupID: -1, Source: "test", SegmentSize: 256 << 10,
	}, r)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- j.Run(context.Background()) }()
	const fed = 4000
	feed(r, fed)

	const most = 1 << 20
	k, err := NewKeeper(Config{Age: time.Hour, MaxSize: most}, filepath.Join(dir, "state"), j, func() []Cursor { return []Cursor{{"siem", 100}} }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for j.Stats().Records < fed {
		if time.Now().After(deadline) {
			t.Fatalf("stored %d of %d", j.Stats().Records, fed)
		}
		time.Sleep(time.Millisecond)
	}
	before := j.Segments()
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := j.Segments()
	var bytesKept int64
	for _, s := range after {
		bytesKept += s.Bytes
	}
	if bytesKept > most || len(after) < 2 || len(after) >= len(before) {
		t.Errorf("%d bytes in %d segments are kept of %d segments, at most %d bytes may be", bytesKept, len(after), len(before), most)
	}
	r.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	lost := uint64(after[0].First) - 1 - 100
	want := fmt.Sprintf("op=drop auid=4294967295 pid=%d uid=0 ses=4294967295 segments=%d first=1 last=%d", os.Getpid(), len(before)-len(after), after[0].First-1)
	found := false
	next := after[0].First
	for at, line := range kept(t, dir) {
		if at != next {
			t.Fatalf("sequence %d where %d should be", at, next)
		}
		next++
		if bytes.Contains(line, []byte("op=drop")) {
			found = strings.Contains(string(line), want) && strings.Contains(string(line), fmt.Sprintf("why=max-size relay0=siem undelivered0=%d res=", lost))
			if !found {
				t.Errorf("got %s\nwant %s … undelivered0=%d", line, want, lost)
			}
		}
	}
	if !found {
		t.Error("the drop is not on record")
	}
}

func feed(r *ring.Ring, n int) {
	for i := range n {
		line := fmt.Appendf(nil, "type=USER msg=audit(1709742929.678:%d): pid=1 uid=0 auid=0 ses=1 msg='%s'\n", i+1, strings.Repeat("x", 900))
		for len(line) > cap(r.Room()) {
			<-r.Space(len(line))
		}
		r.Publish(len(append(r.Room(), line...)), 1)
	}
}

// kept reads what is left of a journal.
func kept(t *testing.T, dir string) func(func(auditbridge.Sequence, []byte) bool) {
	return func(yield func(auditbridge.Sequence, []byte) bool) {
		r, err := journal.OpenReader(filepath.Join(dir, "journal"), 0, journal.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for {
			at, line, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(at, line) {
				return
			}
		}
	}
}
