package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"auditbridge/config"
	"auditbridge/rules"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newRulesLoadCommand() *cobra.Command {
	var lock, dryRun bool
	cmd := &cobra.Command{
		Use:   "load [FILE|DIRECTORY]...",
		Short: "Make the kernel's rules what rule files say, as one change",
		Long: `load changes what differs and nothing else, then lists what the kernel has and
compares. When anything fails, the rules and settings are put back as they were.
Exit status: 0 loaded, 1 not, or with -c in the files when a rule was passed over,
2 the files are not valid.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			debug.SetGCPercent(-1) // it is over before that would pay
			host, err := rulesHost()
			if err != nil {
				return err
			}
			places := sync.OnceValue(func() *config.Config { return ownPlaces(cmd) })
			taken := ahead(func() (*loader, error) { return newLoader(cmd, host, places, !dryRun) })
			f, unread := rules.Read(host, orRulesDirectory(places, args)...)
			var desired *rules.Desired
			if unread == nil {
				desired = f.Desire()
			}
			l, err := taken()
			if err != nil {
				return err
			}
			defer l.close()
			if unread != nil {
				return writeProblems(cmd.ErrOrStderr(), unread)
			}
			desired.Exempt = l.exempt
			if dryRun {
				d, err := compareRules(l.kernel, host, desired)
				if err != nil {
					return err
				}
				return writeLines(cmd.OutOrStdout(), d.Text())
			}
			if err := seesWhatTheHostSees(desired, func(what string, err error) { fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %v\n", what, err) }); err != nil {
				return err
			}
			return l.load(desired, lock)
		},
	}
	cmd.Flags().BoolVar(&lock, "lock", false, "then lock the rules until the next boot: nobody can change them, root neither")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "print what would be changed, as diff does, and change nothing")
	return cmd
}

// loader is what it takes to load beside the files: it is got while they are read.
type loader struct {
	cmd      *cobra.Command
	host     *rules.Host
	stateDir string
	kernel   *rules.Netlink
	exempt   []int
	held     *os.File // the lock; nil when it could not be had
	unlocked error    // why
	before   *rules.Before
}

func newLoader(cmd *cobra.Command, host *rules.Host, places func() *config.Config, changing bool) (*loader, error) {
	k, err := rules.OpenNetlink()
	if err != nil {
		return nil, refusedRules(err)
	}
	c := places()
	l := &loader{cmd: cmd, host: host, stateDir: c.StateDir, kernel: k, exempt: exemptedRun(cmd.Context(), c)}
	if !changing {
		return l, nil
	}
	l.held, l.unlocked = lockRules(c.StateDir)
	if l.before, err = rules.Survey(k); err != nil {
		l.close()
		return nil, refusedRules(err)
	}
	return l, nil
}

func (l *loader) close() {
	l.kernel.Close()
	l.held.Close()
}

func (l *loader) load(desired *rules.Desired, lock bool) error {
	warnings := l.cmd.ErrOrStderr()
	if l.unlocked != nil {
		fmt.Fprintf(warnings, "warning: %v\n", l.unlocked)
	}
	record := ahead(func() (none struct{}, err error) {
		return none, leaveRules(l.stateDir, desired.Record(l.host, nil, time.Now()))
	})
	done, err := l.before.Load(desired, lock)
	_, failed := record() // written down, and not in force before the kernel has it
	if done == nil {
		dropRules(l.stateDir)
		return refusedRules(err)
	}
	if len(done.Skipped) > 0 {
		failed = leaveRules(l.stateDir, desired.Record(l.host, done.Skipped, time.Now()))
	}
	if failed == nil {
		failed = takeRules(l.stateDir)
	}
	if failed != nil {
		fmt.Fprintf(warnings, "warning: run will not notice when they are changed: %v\n", failed)
	}
	reported := reportLoad(l.cmd, done, desired)
	if err != nil { // the rules stand all the same
		return refusedRules(err)
	}
	return reported
}

// ahead has something worked out while we do something else.
func ahead[T any](do func() (T, error)) (wait func() (T, error)) {
	var result T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result, err = do()
	}()
	return func() (T, error) { <-done; return result, err }
}

// rememberRules leaves what was loaded for run, which compares the kernel with it.
// Nothing of it must outlive a power failure: neither do the kernel's rules.
func rememberRules(stateDir, text string) error {
	if err := leaveRules(stateDir, text); err != nil {
		return err
	}
	return takeRules(stateDir)
}

// leaveRules is the first half of rememberRules: nobody goes by it yet.
func leaveRules(stateDir, text string) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	dir, err := os.OpenRoot(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.WriteFile(rules.LoadedFile+".new", []byte(text), 0o600)
}

// dropRules forgets it: nothing was loaded.
func dropRules(stateDir string) { os.Remove(filepath.Join(stateDir, rules.LoadedFile+".new")) }

// takeRules is the other half. The two files change places where they can: to put one
// in another's stead, ext4 first writes it out (auto_da_alloc), and who loads waits.
func takeRules(stateDir string) error {
	file := filepath.Join(stateDir, rules.LoadedFile)
	if unix.Renameat2(unix.AT_FDCWD, file+".new", unix.AT_FDCWD, file, unix.RENAME_EXCHANGE) == nil {
		dropRules(stateDir)
		return nil
	}
	return os.Rename(file+".new", file)
}

func reportLoad(cmd *cobra.Command, done *rules.Loaded, desired *rules.Desired) error {
	out := cmd.OutOrStdout()
	for _, p := range done.Skipped {
		writeProblem(cmd.ErrOrStderr(), "warning", p)
	}
	fmt.Fprintf(out, "loaded: %s added, %d deleted, %d kept\n", count(done.Added, "rule"), done.Deleted, done.Kept)
	if len(done.Set) > 0 {
		names := make([]string, len(done.Set))
		for i, s := range done.Set {
			names[i] = fmt.Sprintf("%s %d", s, *desired.Settings[s])
		}
		fmt.Fprintf(out, "set: %s\n", strings.Join(names, ", "))
	}
	switch {
	case done.Locked:
		fmt.Fprintln(out, "locked until the next boot")
	case done.Lock:
		fmt.Fprintln(out, "not locked: the files have -e 2, and only `auditbridge rules load --lock` obeys it")
	}
	if desired.Failing && len(done.Skipped) > 0 {
		return exitStatus(1)
	}
	return nil
}

// seesWhatTheHostSees refuses to load rules from within a mount namespace of our
// own, or a chroot, where a path of theirs is another file than for the host: the
// kernel looks paths up as we see them, and the rule would never match. A sandbox that
// only makes things read-only hides none. What cannot be told is warned of.
func seesWhatTheHostSees(desired *rules.Desired, warn func(what string, err error)) error {
	paths := desired.Paths()
	path, err := rules.SeenOtherwise("/proc/1", paths)
	switch {
	case err != nil && len(paths) > 0:
		warn("whether the host has the same files where the rules have theirs cannot be told", err)
	case path != "":
		return withHint(fmt.Errorf("load rules: %s is not what it is outside of this process's mount namespace, or chroot", path),
			"run it outside of the container or sandbox: `nsenter -t 1 -m auditbridge rules load`")
	}
	return nil
}

// refusedRules explains why the kernel does not answer.
func refusedRules(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return withHint(err, "run as root (CAP_AUDIT_CONTROL) in the initial PID and user namespaces")
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return withHint(err, "this kernel has no audit, or was booted with audit=0")
	}
	return err
}
