package rules

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// desire is what lines of a rule file ask for.
func desire(t testing.TB, lines ...string) *Desired {
	t.Helper()
	f, err := Parse("test.rules", strings.Join(lines, "\n"), testHost())
	if err != nil {
		t.Fatal(err)
	}
	return f.Desire()
}

// shown are a kernel's rules, each by its key.
func keysOf(rules []Rule) (keys []string) {
	for i := range rules {
		keys = append(keys, strings.Join(rules[i].Keys(), ","))
	}
	return keys
}

func keyed(keys string) (lines []string) {
	for _, k := range strings.Fields(keys) {
		lines = append(lines, fmt.Sprintf("-a always,exit -S %d -k %s", k[0], k))
	}
	return lines
}

func TestLoadMakesTheKernelsListWhatTheFilesSay(t *testing.T) {
	for _, test := range []struct {
		name, before, after string
		fewest              int // rules loaded at any moment
	}{
		{"from nothing", "", "a b c", 0},
		{"to nothing", "a b c", "", 0},
		{"what is there stays", "a b c", "a b c", 3},
		{"one more behind", "a b", "a b c", 2},
		{"one more in front", "b c", "a b c", 2},
		{"one more in the middle", "a c", "a b c", 1},
		{"one less", "a b c", "a c", 2},
		{"the order is another", "a b c d", "d a b c", 3},
		{"reversed", "a b c", "c b a", 2},
		{"all others come before the old ones go", "a b c", "x y z", 3},
		{"most stay", "a b c d e f", "a b x d e f", 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, n := newFakeKernel(t)
			if _, err := Load(n, desire(t, keyed(test.before)...), false); err != nil {
				t.Fatal(err)
			}
			k.fewest = len(k.rules)
			if _, err := Load(n, desire(t, keyed(test.after)...), false); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(keysOf(k.rules), " "); got != test.after {
				t.Errorf("the kernel has %q, want %q", got, test.after)
			}
			if k.fewest < test.fewest {
				t.Errorf("at one moment there were %d rules, want %d", k.fewest, test.fewest)
			}
		})
	}
}

// TestAFailureAnywhereLeavesTheOldList: whichever change the kernel refuses,
// afterwards it has the rules and settings that it had before.
func TestAFailureAnywhereLeavesTheOldList(t *testing.T) {
	const before, after = "a b c d e f", "x b d a y z"
	for broken := 1; ; broken++ {
		k, n := newFakeKernel(t)
		if _, err := Load(n, desire(t, append(keyed(before), "-b 100", "-f 0")...), false); err != nil {
			t.Fatal(err)
		}
		changes := 0
		k.refuse = func(kind uint16, r *Rule) unix.Errno {
			if changes++; changes == broken {
				return unix.ENOMEM
			}
			return 0
		}
		_, err := Load(n, desire(t, append(keyed(after), "-b 200", "-f 1")...), false)
		if changes < broken {
			if err != nil || broken < 6 {
				t.Errorf("after %d changes: %v", changes, err)
			}
			return
		}
		if !errors.Is(err, unix.ENOMEM) && (err == nil || !strings.Contains(err.Error(), "cannot allocate memory")) {
			t.Errorf("change %d was refused, and load says: %v", broken, err)
		}
		if got := strings.Join(keysOf(k.rules), " "); got != before {
			t.Errorf("change %d was refused; the kernel has %q", broken, got)
		}
		if k.status[5] != 100 || k.status[2] != 0 {
			t.Errorf("change %d was refused; backlog_limit is %d, failure %d", broken, k.status[5], k.status[2])
		}
	}
}

func TestLoadPassesOverWhatCannotBeLoadedOnlyWhenToldTo(t *testing.T) {
	gone := func(kind uint16, r *Rule) unix.Errno {
		if slices.Contains(r.Keys(), "b") {
			return unix.ENOENT
		}
		return 0
	}
	k, n := newFakeKernel(t)
	k.refuse = gone
	_, err := Load(n, desire(t, keyed("a b c")...), false)
	if err == nil || !strings.HasPrefix(err.Error(), `test.rules:2:1: a directory on the way does not exist: "-a always,exit -S lstat`) && !strings.HasPrefix(err.Error(), "test.rules:2:1: ") {
		t.Errorf("load says %v", err)
	}
	if len(k.rules) != 0 {
		t.Errorf("the kernel has %q", keysOf(k.rules))
	}
	done, err := Load(n, desire(t, append([]string{"-i"}, keyed("a b c")...)...), false)
	if err != nil || done.Added != 2 || len(done.Skipped) != 1 || done.Skipped[0].At.Line != 3 {
		t.Errorf("with -i: %+v, %v", done, err)
	}
	if got := strings.Join(keysOf(k.rules), " "); got != "a c" {
		t.Errorf("the kernel has %q", got)
	}
}

func TestRulesAreLockedLastAndOnlyOnRequest(t *testing.T) {
	k, n := newFakeKernel(t)
	lines := append(keyed("a b"), "-b 8192", "-e 2", "--loginuid-immutable")
	done, err := Load(n, desire(t, lines...), false)
	if err != nil || !done.Lock || done.Locked || k.status[1] == 2 {
		t.Fatalf("without being asked: %+v, enabled %d, %v", done, k.status[1], err)
	}
	k.order = nil
	if done, err = Load(n, desire(t, append(lines, keyed("c")...)...), true); err != nil || !done.Locked || k.status[1] != 2 {
		t.Fatalf("on request: %+v, enabled %d, %v", done, k.status[1], err)
	}
	if k.order[len(k.order)-1] != "enabled" || !k.fixed {
		t.Errorf("the order was %q", k.order)
	}

	// Locked, and as desired: nothing to do. Else it says what a reboot is needed for.
	if done, err = Load(n, desire(t, keyed("a b c")...), false); err != nil || !done.Locked {
		t.Errorf("locked and equal: %+v, %v", done, err)
	}
	_, err = Load(n, desire(t, append(keyed("a"), "-f 2")...), false)
	var lockedErr LockedError
	if !errors.As(err, &lockedErr) || lockedErr.Changes != 3 || !strings.Contains(lockedErr.Hint(), "reboot") {
		t.Errorf("locked and other: %v", err)
	}
	if got := strings.Join(keysOf(k.rules), " "); got != "a b c" {
		t.Errorf("the kernel has %q", got)
	}
}

// TestEverySettingIsAskedBack: that the kernel said yes is not enough. What is set in
// the end leaves the rules loaded.
func TestEverySettingIsAskedBack(t *testing.T) {
	for _, test := range []struct {
		setting, want string
		lock, stands  bool
	}{
		{"-b 8192", "backlog_limit is 64 after it was set to 8192", false, false},
		{"-f 1", "failure is 0 after it was set to 1", false, false},
		{"-e 1", "enabled is 0 after it was set to 1", false, true},
		{"--loginuid-immutable", "loginuid_immutable is 0 after it was set to 1", false, true},
		{"-e 2", "enabled is 0 after it was set to 2", true, true},
	} {
		k, n := newFakeKernel(t)
		k.deaf = true
		done, err := Load(n, desire(t, append(keyed("a"), test.setting)...), test.lock)
		if err == nil || !strings.Contains(err.Error(), test.want) || (done != nil) != test.stands || (len(k.rules) == 1) != test.stands {
			t.Errorf("%s: %v, %+v, %d rules", test.setting, err, done, len(k.rules))
		}
		if done != nil && (done.Locked || len(done.Set) > 0) {
			t.Errorf("%s: it says it is done: %+v", test.setting, done)
		}
	}
}

// TestWhatWasLoadedMeansTheSameLater: when what a rule watches has become a directory,
// or none, the kernel still has the rule that was loaded.
func TestWhatWasLoadedMeansTheSameLater(t *testing.T) {
	loaded := desire(t, "-w /etc/later -p wa -k a", "-w /etc -p w -k b", "-w /etc/with\\ space", "-b 8192")
	host := testHost()
	text := loaded.Record(host, nil, time.Unix(0, 0))
	now := host.IsDir
	host.IsDir = func(path string) bool { return !now(path) }
	f, err := Parse(LoadedFile, text, host)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(identities(loaded.Rules), identities(f.Desire().Rules), cmpopts.EquateComparable(identity{})); diff != "" {
		t.Errorf("%s: %s", text, diff)
	}
}

// TestAProcessKeepsItsExemption: the rule by which a listener keeps itself from
// being audited stays, and stays in front. Anybody else's is a rule like another:
// a difference, and deleted.
func TestAProcessKeepsItsExemption(t *testing.T) {
	k, n := newFakeKernel(t)
	exempt := desire(t, "-a never,exit -F pid=77", "-a never,exit -F ppid=77")
	for _, l := range append(exempt.Rules, desire(t, "-a never,exit -F pid=78", "-a never,exit -F ppid=78").Rules...) {
		k.insert(l.Rule)
	}
	nothing := desire(t)
	nothing.Exempt = []int{77}
	if diff := Compare(testHost(), k.rules, State{}, nothing); diff.Count() != 2 || !strings.Contains(diff.Text(), "-F pid=78") || !strings.Contains(diff.Text(), "-F ppid=78") {
		t.Errorf("who exempts another is noticed so: %q", diff.Text())
	}
	for _, lines := range []string{"b c", "a b c", "", "c"} {
		d := desire(t, append(keyed(lines), "-a never,task")...)
		d.Exempt = []int{77}
		if _, err := Load(n, d, false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{"", "", ""}, strings.Fields(lines)...), keysOf(k.rules)); diff != "" || !exempts(k.rules[1], 77) || !exempts(k.rules[2], 77) {
			t.Errorf("%q: %s", lines, diff)
		}
		if diff := Compare(testHost(), k.rules, State{}, d); !diff.Equal() {
			t.Errorf("%q: exemptions count as a difference: %s", lines, diff.Text())
		}
	}
}

func exempts(r Rule, process int) bool {
	pid, ok := r.exempts()
	return ok && pid == process
}

// TestManyRulesGoInFewMessages, each of which the kernel answers rule by rule.
func TestManyRulesGoInFewMessages(t *testing.T) {
	k, n := newFakeKernel(t)
	var lines []string
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("-a always,exit -S getpgid -F a0=%d -k %d", i, i))
	}
	if _, err := Load(n, desire(t, lines...), false); err != nil {
		t.Fatal(err)
	}
	if len(k.rules) != 500 || k.messages > 30 {
		t.Errorf("%d rules came in %d messages", len(k.rules), k.messages)
	}
}

// TestARuleThatTheKernelHasTwiceIsADifference: it takes one once more in front of
// all, and with its comparisons in another order. Whoever does that keeps nobody
// from loading, and from putting back.
func TestARuleThatTheKernelHasTwiceIsADifference(t *testing.T) {
	rule := func(line string) Rule { return desire(t, line).Rules[0].Rule }
	again, swapped, exempt := rule("-a always,exit -S open -F uid=1 -F gid=1 -k a"), rule("-a always,exit -S open -F gid=1 -F uid=1 -k a"), rule("-a never,exit -F pid=77")
	again.Prepend, exempt.Prepend = true, true
	lines := []string{"-a always,exit -S open -F uid=1 -F gid=1 -k a", "-a always,exit -S close -k b", "-a always,exit -S dup -k c"}
	for _, test := range []struct {
		name   string
		add    []Rule
		differ int
	}{
		{"once more in front", []Rule{again}, 1},
		{"thrice", []Rule{again, again}, 2},
		{"behind, in another order", []Rule{swapped}, 1},
		{"both", []Rule{again, swapped, again}, 3},
		{"an exemption of our own, which counts once", []Rule{exempt, exempt}, 1},
	} {
		k, n := newFakeKernel(t)
		want := desire(t, lines...)
		want.Exempt = []int{77}
		if _, err := Load(n, want, false); err != nil {
			t.Fatal(err)
		}
		for _, r := range test.add {
			k.insert(r)
		}
		diff := Compare(testHost(), k.rules, State{}, want)
		if diff.Count() != test.differ || strings.Contains(diff.Text(), "another place") {
			t.Errorf("%s: %d differences, want %d:\n%s", test.name, diff.Count(), test.differ, diff.Text())
		}
		missing := desire(t, lines[:2]...) // that a load fails must not matter either
		k.refuse = func(kind uint16, r *Rule) unix.Errno {
			return map[bool]unix.Errno{true: unix.ENOMEM}[slices.Contains(r.Keys(), "c")]
		}
		if _, err := Load(n, missing, false); err == nil {
			t.Errorf("%s: nothing failed", test.name)
		}
		k.refuse = nil
		if _, err := Load(n, want, false); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := Compare(testHost(), k.rules, State{}, want); !diff.Equal() {
			t.Errorf("%s: afterwards:\n%s", test.name, diff.Text())
		}
	}
}

// TestAnyListBecomesAnyOther: whatever is loaded and whatever is wanted, load
// succeeds, and never leaves fewer rules than both have in their places.
func TestAnyListBecomesAnyOther(t *testing.T) {
	var all []Rule
	for _, list := range []string{"exit", "exclude", "task"} {
		for i := range 8 {
			all = append(all, desire(t, fmt.Sprintf("-a always,%s -F uid=%d", list, i)).Rules[0].Rule)
		}
	}
	some := rapid.Custom(func(t *rapid.T) (lines []Line) {
		rules := rapid.Permutation(all).Draw(t, "order")[:rapid.IntRange(0, len(all)).Draw(t, "n")]
		slices.SortStableFunc(rules, func(a, b Rule) int { return int(a.List) - int(b.List) })
		for _, r := range rules {
			lines = append(lines, Line{Rule: r})
		}
		return lines
	})
	k, n := newFakeKernel(t)
	rapid.Check(t, func(t *rapid.T) {
		before, after := &Desired{Rules: some.Draw(t, "before")}, &Desired{Rules: some.Draw(t, "after")}
		if _, err := Load(n, before, false); err != nil {
			t.Fatal(err)
		}
		for _, l := range some.Draw(t, "once more") {
			l.Rule.Prepend = true
			k.insert(l.Rule)
		}
		k.fewest = math.MaxInt
		if _, err := Load(n, after, false); err != nil {
			t.Fatal(err)
		}
		if diff := Compare(testHost(), k.rules, State{}, after); !diff.Equal() {
			t.Fatalf("%s", diff.Text())
		}
	})
}
