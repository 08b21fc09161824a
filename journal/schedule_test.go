package journal

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/seal"
)

// clock turns a journal's append loop at made-up times.
type clock struct {
	t   *testing.T
	cfg Config
	r   *memRing
	j   *Journal
	now time.Time
	fed int
}

func newClock(t *testing.T, change func(*Config)) *clock {
	cfg := testConfig(t)
	cfg.reserve = 128 << 10
	if change != nil {
		change(&cfg)
	}
	c := &clock{t: t, cfg: cfg, r: newMemRing(), now: time.Now()}
	c.j = mustOpen(t, cfg, c.r)
	t.Cleanup(func() { c.j.Close() })
	return c
}

// pass lets time go by, a turn each second, a record each every time.
func (c *clock) pass(d, every time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); {
		c.now = c.now.Add(time.Second)
		if every > 0 && c.now.Sub(end)%every == 0 {
			c.fed++
			c.r.feed(c.fed, 1)
		}
		c.j.turn(c.now)
	}
}

// came says what is in the journal behind sequence after: how many records,
// checkpoints, block lines without signature, and which notes.
func (c *clock) came(after auditbridge.Sequence) (records, checkpoints, plain int, notes []string) {
	c.t.Helper()
	got := checkJournal(c.t, c.cfg)
	for at := after + 1; at <= got.last; at++ {
		switch line := got.lines[at]; {
		case seal.LooksLikeBlock([]byte(line)) && strings.Contains(line, " sig="):
			checkpoints++
		case seal.LooksLikeBlock([]byte(line)):
			plain++
		case strings.HasPrefix(line, "type=SYSCALL"):
			records++
		default:
			_, rest, _ := strings.Cut(line, "op=")
			op, _, _ := strings.Cut(rest, " ")
			notes = append(notes, op)
		}
	}
	return records, checkpoints, plain, notes
}

func TestCheckpointsComeInTime(t *testing.T) {
	for _, row := range []struct {
		name        string
		last        time.Duration // how long
		every       time.Duration // a record; 0: none
		checkpoints int
		notes       string
	}{
		{"a record a second, for just less than a minute", 58 * time.Second, time.Second, 0, ""},
		{"a record a second, for ten minutes", 10*time.Minute + 10*time.Second, time.Second, 10, ""},
		{"nothing, for an hour", 3599 * time.Second, 0, 0, ""},
		{"nothing, for an hour and a half", 90 * time.Minute, 0, 1, "heartbeat"},
		{"nothing, for three hours and a bit", 3*time.Hour + time.Minute, 0, 3, "heartbeat heartbeat heartbeat"},
		{"a record every half hour", 2*time.Hour + 2*time.Minute, 30 * time.Minute, 4, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClock(t, nil)
			start := c.j.at
			c.pass(row.last, row.every)
			_, checkpoints, plain, notes := c.came(start)
			if checkpoints != row.checkpoints || plain != 0 || strings.Join(notes, " ") != row.notes {
				t.Errorf("%d checkpoints, %d blocks, notes %q", checkpoints, plain, notes)
			}
		})
	}
}

// Under load every block would be signed; one in 5 s is.
func TestCheckpointsAreNeverCloserThanFiveSeconds(t *testing.T) {
	c := newClock(t, nil)
	start := c.j.at
	for range 60 {
		c.r.feed(c.fed+1, 600) // more than two blocks a second
		c.fed += 600
		c.now = c.now.Add(time.Second)
		c.j.turn(c.now)
	}
	if _, checkpoints, plain, _ := c.came(start); checkpoints != 12 && checkpoints != 11 || plain < 60 {
		t.Errorf("%d checkpoints and %d blocks in a minute", checkpoints, plain)
	}
}

func TestSegmentsEndByAge(t *testing.T) {
	for _, row := range []struct {
		name      string
		age, keep time.Duration
		last      time.Duration
		every     time.Duration
		segments  int
	}{
		{"a day", 0, 0, 49 * time.Hour, time.Hour, 3},
		{"a day on which nothing came", 0, 0, 49 * time.Hour, 0, 1},
		{"a part of the retention", 0, 48 * time.Hour, 9 * time.Hour, 10 * time.Minute, 5},
		{"as configured", time.Hour, 0, 3*time.Hour + time.Minute, time.Minute, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClock(t, func(cfg *Config) { cfg.SegmentAge, cfg.Retention = row.age, row.keep })
			start := c.j.at
			for end := c.now.Add(row.last); c.now.Before(end); {
				c.now = c.now.Add(time.Minute)
				if row.every > 0 && end.Sub(c.now)%row.every == 0 {
					c.fed++
					c.r.feed(c.fed, 1)
				}
				c.j.turn(c.now)
			}
			if got := len(c.j.Segments()); got != row.segments {
				t.Errorf("%d segments, want %d", got, row.segments)
			}
			if _, _, _, notes := c.came(start); strings.Count(strings.Join(notes, " "), "rotate segment") != row.segments-1 {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// A segment that was begun while the clock stood a year ahead does not stay open for
// a year when it has been set right and another process goes on with it.
func TestASegmentOfTheFutureEnds(t *testing.T) {
	c := newClock(t, func(cfg *Config) { cfg.SegmentAge = time.Hour })
	c.pass(5*time.Second, time.Second)
	c.now = c.now.Add(365 * 24 * time.Hour)
	c.pass(5*time.Second, time.Second) // the first ends by its age, one of the future begins
	ahead := len(c.j.Segments())
	if err := c.j.Close(); err != nil {
		t.Fatal(err)
	}
	c.j, c.now = mustOpen(t, c.cfg, c.r), time.Now()
	c.pass(5*time.Second, time.Second)
	if got := len(c.j.Segments()); ahead != 2 || got != 3 {
		t.Errorf("%d segments while the clock was ahead, %d when it was set right", ahead, got)
	}
}

// Every segment ends with a checkpoint that announces the key of the next.
func TestTheKeyChangesAtEachSegmentsEnd(t *testing.T) {
	c := newClock(t, func(cfg *Config) { cfg.SegmentAge = time.Hour })
	c.pass(4*time.Hour+10*time.Minute, 10*time.Minute)
	got := checkJournal(t, c.cfg)
	var keys []string
	for _, s := range c.j.Segments()[1:] {
		b, err := seal.ParseBlock([]byte(got.lines[s.First-1]))
		if err != nil || b.Key == (seal.PublicKey{}) || b.Next == (seal.PublicKey{}) {
			t.Fatalf("sequence %d does not announce a key: %s", s.First-1, got.lines[s.First-1])
		}
		if n := len(keys); n > 0 && keys[n-1] != b.Key.String() {
			t.Errorf("%s signs, announced was %s", b.Key, keys[n-1])
		}
		keys = append(keys, b.Next.String())
	}
	slices.Sort(keys)
	if all := len(slices.Compact(keys)); all != 4 {
		t.Errorf("%d keys for 4 segments' ends", all)
	}
}

// A reader in another process sleeps until there is more, and is woken then.
func TestAnotherProcessIsWoken(t *testing.T) {
	cfg, r := testConfig(t), newMemRing()
	j := mustOpen(t, cfg, r)
	defer j.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_WAITS="+cfg.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peertest.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 16)
	for _, want := range []string{"waits\n", "woken\n"} {
		n, err := out.Read(word)
		if err != nil || string(word[:n]) != want {
			t.Fatalf("%q %v, want %q", word[:n], err, want)
		}
		if want == "waits\n" {
			r.feed(1, 10)
			r.drain(t, j)
			if err := j.sync.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// waitingProcess waits for one line more than there is.
func waitingProcess(dir string) {
	m, err := OpenMark(dir)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	beyond := m.Durable()
	os.Stdout.WriteString("waits\n")
	if err := m.Wait(context.Background(), beyond); err != nil {
		panic("internal error: " + err.Error())
	}
	os.Stdout.WriteString("woken\n")
	os.Exit(0)
}
