package diskguard

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/journal/ring"
)

// Who fills the journal is told by what the kernel stamped: login uid, executable,
// and the rule by its key. A program that writes records itself is known by the login
// uid the kernel stamped and their type; what it says of itself is called claimed.
func TestWhoFloodsTheJournal(t *testing.T) {
	var made tally
	made.by, made.bytes = map[uint32]talker{}, map[uint32]int{}
	call := func(serial int, auid, exe, key string) {
		made.add(fmt.Appendf(nil, "type=SYSCALL msg=audit(1709742929.678:%d): arch=c000003e syscall=2 success=yes exit=3 auid=%s uid=0 comm=\"x\" exe=%s key=%s", serial, auid, exe, key))
		made.add(fmt.Appendf(nil, "type=PATH msg=audit(1709742929.678:%d): item=0 name=\"/etc/passwd\"", serial))
	}
	if who, percent := made.loudest(); who != (talker{}) || percent != 0 {
		t.Errorf("of nothing: %v, %d%%", who, percent)
	}
	for i := range 80 {
		call(i, "1000", "2F7573722F62696E2F612062", `"delete"`)
	}
	for i := range 15 {
		call(100+i, "4294967295", `"/usr/sbin/cron"`, "(null)")
	}
	for i := range 120 {
		made.add(fmt.Appendf(nil, "type=USER_CMD msg=audit(1709742929.678:%d): pid=1 auid=0 msg='exe=\"/bin/liar\" key=\"x\" res=success'", 200+i/10))
	}
	who, percent := made.loudest()
	if who.String() != "auid=1000 exe=/usr/bin/a b key=delete" || percent < 30 || percent > 60 {
		t.Errorf("%s, %d%%", who, percent)
	}
	for i := range 400 {
		made.add(fmt.Appendf(nil, "type=USER_CMD msg=audit(1709742929.678:%d): pid=1 uid=0 auid=1001 ses=2 msg='exe=\"/bin/liar-%d\" auid=0 key=\"x\" res=success'", 300+i, i%2))
	}
	if who, _ := made.loudest(); who.String() != "auid=1001 claimed-exe=/bin/liar-1 type=USER_CMD" {
		t.Errorf("%s", who)
	}
	if s := (talker{auid: "4294967295", exe: "/usr/sbin/cron"}).String(); s != "auid=unset exe=/usr/sbin/cron key=?" {
		t.Error(s)
	}
}

// A flood is said once, when it has lasted and all room would last less than an
// hour; the next one anew.
func TestAFloodIsSaidOnce(t *testing.T) {
	cfg := config(Suspend)
	cfg.MaxSize, cfg.SpaceLeft, cfg.AdminSpaceLeft = 36000, Threshold{Bytes: 2}, Threshold{Bytes: 1} // 10 bytes a second
	j, g := watched(t, cfg)
	g.loudest = func(auditbridge.Sequence) (talker, int, error) {
		return talker{auid: "0", exe: "/x", key: "k"}, 90, nil
	}
	now := time.Unix(1709742929, 0)
	pass := func(seconds int, rate uint64) {
		for range seconds {
			now = now.Add(time.Second)
			j.written += rate
			g.look(t.Context(), now)
		}
	}
	floods := func() (n int) {
		for _, what := range j.did {
			if what == "flood at" {
				n++
			}
		}
		return n
	}
	pass(120, 9)
	if g.Space().Flood != "" || floods() != 0 {
		t.Fatalf("no flood: %q", g.Space().Flood)
	}
	pass(120, 20)
	if g.Space().Flood != "auid=0 exe=/x key=k" || floods() != 1 {
		t.Fatalf("a flood: %q, said %d times", g.Space().Flood, floods())
	}
	pass(120, 8)
	if g.Space().Flood == "" {
		t.Error("it is over, though most of it goes on")
	}
	pass(120, 1)
	pass(120, 20)
	if floods() != 2 {
		t.Errorf("said %d times", floods())
	}
}

// The newest lines of a real journal are looked at, and no others.
func TestTheNewestLinesAreLookedAt(t *testing.T) {
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
	j, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), StateDir: filepath.Join(dir, "state"), GroupID: -1, Source: "test"}, r)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- j.Run(context.Background()) }()
	for i := range sampleLines * 2 {
		exe := "/bin/early"
		if i >= sampleLines-100 {
			exe = "/bin/late"
		}
		line := fmt.Appendf(nil, "type=SYSCALL msg=audit(1709742929.678:%d): arch=c000003e auid=1000 exe=%q key=\"k\"\n", i+1, exe)
		for len(line) > cap(r.Room()) {
			<-r.Space(len(line))
		}
		r.Publish(len(append(r.Room(), line...)), 1)
	}
	r.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	who, percent, err := loudest(filepath.Join(dir, "journal"), j.Stats().Durable)
	if err != nil || who.exe != "/bin/late" || percent != 100 {
		t.Errorf("%v, %d%%, %v", who, percent, err)
	}
}
