package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"auditbridge/internal/faultdisk"
	"auditbridge/internal/peertest"
	"auditbridge/journal/ring"
)

// killed is the process that is killed: it receives and stores, and prints how
// far it has published after each batch.
func killedProcess(base string) {
	r, err := ring.Open(ring.Config{Path: base + "/ring", Size: 1 << 20, BootID: "test"})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	cfg := killedConfig(base)
	j, err := Open(cfg, r)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	go j.Run(context.Background())
	for n := int(r.Stats().Received) + 1; ; n++ {
		line := record(n)
		for cap(r.Room()) < len(line) {
			<-r.Space(len(line))
		}
		r.Publish(len(append(r.Room(), line...)), 1)
	}
}

func killedConfig(base string) Config {
	return Config{Dir: base + "/journal", StateDir: base + "/state", Source: "kernel", GroupID: -1,
		SegmentSize: 300 << 10, reserve: 256 << 10}
}

func TestMain(m *testing.M) {
	peertest.OwnMounts()
	faultdisk.Main()
	if base := os.Getenv("JOURNAL_TEST_KILLED"); base != "" {
		killedProcess(base)
	}
	if dir := os.Getenv("JOURNAL_TEST_WAITS"); dir != "" {
		waitingProcess(dir)
	}
	os.Exit(m.Run())
}

// Killed again and again at any instant, receiving and storing lose no record
// and double none.
func TestAKillAtAnyInstantLosesNothing(t *testing.T) {
	base := memoryDir(t)
	for i := range 25 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "JOURNAL_TEST_KILLED="+base)
		cmd.Stderr = os.Stderr
		if err := peertest.StartChild(cmd); err != nil {
			t.Fatal(err)
		}
		mark := filepath.Join(base, "journal", markName)
		until(t, fmt.Sprintf("life %d has begun", i), func() bool {
			m, err := OpenMark(filepath.Dir(mark))
			if err != nil {
				return false
			}
			defer m.Close()
			return m.PID() == cmd.Process.Pid
		})
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond) // when it dies is the test's dice, nothing waits for it
		cmd.Process.Kill()
		cmd.Wait()
	}
	r, err := ring.Open(ring.Config{Path: base + "/ring", Size: 1 << 20, BootID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	cfg := killedConfig(base)
	j := mustOpen(t, cfg, r)
	defer j.Close()
	drain(t, j, r)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	n := int(r.Stats().Received)
	wantRecords(t, checkJournal(t, cfg), 1, n)
	t.Logf("%d records", n)
}
