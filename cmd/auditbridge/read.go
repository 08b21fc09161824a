package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
	"auditbridge/internal/accounts"
	"auditbridge/internal/logfile"
	"auditbridge/internal/moment"
)

// readFlags are what read was asked for.
type readFlags struct {
	output       string
	ecs          bool
	interpret    bool
	ids          string
	include      []string
	since, until string
	progress     bool
}

func newReadCommand() *cobra.Command {
	var flags readFlags
	cmd := &cobra.Command{
		Use:   "read [FILE…|DIRECTORY…|-]",
		Short: "Print any audit log: events as JSON or text, or its records",
		Long: `read joins the records of audit logs to events, classifies them and prints one
line per event, in the order in which events end. With --output audit it prints
the records as they stand: all lines byte for byte and where they were, or the
selected events, record by record.

It reads files, the logs of a directory, pipes, or standard input (-, also
without FILE), as one stream: the files of a rotated log oldest first, compressed
by gzip, zstd or bzip2 or not, in UTF-8 or UTF-16 (which becomes UTF-8); records
of auditd, of the kernel's log and behind syslog headers, raw and enriched, of
several hosts and all architectures.

A line that is no audit record is printed, too, whatever was selected. It is
counted, and the first of a file is warned of. A line longer than 64 KiB comes in
pieces, which are none either. Empty lines are left out.

A terminal is shown escapes for what does not print; a file or a pipe gets the
bytes.

--output text has local times, json those of the log. --since and --until take

  2024-03-06            "2024-03-06 16:34[:22]"   16:34[:22]
  2024-03-06T16:34:22Z  @1709742862.344           2h, 1d12h (ago)
  now recent today yesterday this-hour this-week week-ago this-month this-year

--since from the beginning of what it names, --until to its end.

Exit status: 0 all was read, 1 something could not be, 2 usage.`,
		Example: `  auditbridge read /var/log/audit -o text --since today
  ssh web1 cat /var/log/audit/audit.log | auditbridge read --include login
  dmesg | auditbridge read -o text
  auditbridge read audit.log*.gz | jq 'select(.result == "fail")'`,
		RunE: func(cmd *cobra.Command, paths []string) error { return flags.run(cmd, paths) },
	}
	cmd.Flags().StringVarP(&flags.output, "output", "o", "json", "`FORMAT`: "+strings.Join(readFormatNames(), ", "))
	cmd.Flags().BoolVar(&flags.ecs, "ecs", false, "with --output json: field names of the Elastic Common Schema")
	cmd.Flags().BoolVarP(&flags.interpret, "interpret", "i", false, "say what numbers mean (--output json), and name users and groups (text, rfc3164, cef, too)")
	cmd.Flags().StringVar(&flags.ids, "ids", accounts.ThisHost.String(), "with -i, `WHOSE` ids the accounts of this host name: host (of records that name no other node), any, recorded (none)")
	cmd.Flags().StringSliceVar(&flags.include, "include", nil, "print only events of these `CLASS`es: login, session, config-change, system, alarm")
	cmd.Flags().StringVar(&flags.since, "since", "", "leave out events before `TIME`")
	cmd.Flags().StringVar(&flags.until, "until", "", "leave out events after `TIME`")
	cmd.Flags().BoolVar(&flags.progress, "progress", false, "tell on standard error how far reading has come (default: when that is a terminal and it takes long)")
	return cmd
}

// run reads paths as the flags say.
func (f *readFlags) run(cmd *cobra.Command, paths []string) error {
	job, err := f.job(time.Now())
	for _, name := range []string{"since", "until"} { // no time is not the beginning of time: a variable was not set
		if cmd.Flags().Changed(name) && cmd.Flags().Lookup(name).Value.String() == "" {
			err = fmt.Errorf("--%s: no time is given", name)
		}
	}
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	if len(paths) == 0 {
		paths = []string{"-"}
		if isTerminal(cmd.InOrStdin()) {
			return &usageError{errors.New("nothing to read: name a file or a directory, such as /var/log/audit, or - to type"), cmd.CommandPath()}
		}
	}
	tellReading(cmd, paths)
	boundMemory()
	job.in, job.out, job.err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	job.showProgress = isTerminal(job.err) && !isTerminal(job.out)
	if cmd.Flags().Changed("progress") {
		job.showProgress = f.progress
	}
	return job.run(cmd.Context(), paths)
}

// boundMemory holds the Go runtime to what read is bounded to anyway: without
// it a heap may grow to twice what is in it before garbage is looked for.
func boundMemory() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(38 << 20)
}

// isTerminal reports whether a person sits at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// readJob is one call of read: what to select, how to print it, and the streams.
type readJob struct {
	selection    selection
	format       readFormat
	formatting   formatting
	names        *accounts.Reader // nil without --interpret
	verbatim     bool             // print the lines as they come
	in           io.Reader
	out, err     io.Writer
	showProgress bool
}

func (f *readFlags) job(now time.Time) (*readJob, error) {
	j := &readJob{}
	var err error
	if j.selection.classes, err = parseClasses(f.include); err != nil {
		return nil, fmt.Errorf("--include: %w", err)
	}
	if f.since != "" {
		s, err := moment.Parse(f.since, now)
		if err != nil {
			return nil, fmt.Errorf("--since: %w", err)
		}
		j.selection.since = s.From.UnixMilli()
	}
	if f.until != "" {
		s, err := moment.Parse(f.until, now)
		if err != nil {
			return nil, fmt.Errorf("--until: %w", err)
		}
		j.selection.until = s.To.UnixMilli()
		if j.selection.until <= j.selection.since {
			return nil, fmt.Errorf("--until %q ends before --since %q begins", f.until, f.since)
		}
	}
	if j.format, err = findReadFormat(f.output); err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	if j.formatting.ecs = f.ecs; f.ecs && f.output != "json" {
		return nil, fmt.Errorf("--ecs: --output %s has no field names of the Elastic Common Schema; json has", f.output)
	}
	if j.names, err = f.names(j.format); err != nil {
		return nil, err
	}
	if j.names != nil {
		j.formatting.interpreter = &interpret.Interpreter{Names: j.names}
		j.formatting.syslog.Interpreter = j.formatting.interpreter
	}
	j.formatting.syslog.Node, _ = os.Hostname() // without one HOSTNAME is "-"
	j.verbatim = f.output == "audit" && j.selection.all()
	return j, nil
}

// names is nil without --interpret.
func (f *readFlags) names(format readFormat) (*accounts.Reader, error) {
	whose, ok := accounts.ParseWhose(f.ids)
	switch {
	case !ok:
		return nil, fmt.Errorf("--ids: %q is none of host, any, recorded", f.ids)
	case !f.interpret:
		return nil, nil
	case !format.reads:
		return nil, fmt.Errorf("--interpret: --output %s has no place for it; json, text, rfc3164 and cef have", format.name)
	}
	return accounts.NewReader(accounts.NewResolver(accounts.Config{Getent: accounts.FindGetent(), Whose: whose})), nil
}

// parseClasses returns nil for all.
func parseClasses(names []string) (map[auditbridge.Class]bool, error) {
	classes := map[auditbridge.Class]bool{}
	for _, name := range names {
		if name == "all" {
			return nil, nil
		}
		class, ok := auditbridge.ParseClass(name)
		if !ok {
			return nil, fmt.Errorf("%q is no class (all login session config-change system alarm)", name)
		}
		classes[class] = true
	}
	if len(classes) == 0 {
		return nil, nil
	}
	return classes, nil
}

// selection is what read prints of all events. What was not understood is always
// in it.
type selection struct {
	classes      map[auditbridge.Class]bool // nil is all
	since, until int64                      // Unix milliseconds; until is not in it, and 0 is for ever
}

func (s *selection) all() bool { return s.classes == nil && s.since == 0 && s.until == 0 }

func (s *selection) includes(e *auditbridge.Event) bool {
	if s.all() || e.End == auditbridge.EndMalformed {
		return true
	}
	millis := e.ID.Seconds*1000 + int64(e.ID.Millis)
	if millis < s.since || s.until != 0 && millis >= s.until {
		return false
	}
	if s.classes == nil {
		return true
	}
	v := auditbridge.Classify(e)
	return s.classes[v.Class] || v.Doubtful
}

// run reads all paths and says what there was to say. Its error is the one that
// ended it; what could not be read is said and makes the exit status 1.
func (j *readJob) run(ctx context.Context, paths []string) error {
	inputs, problems := logfile.Find(paths, j.in)
	if len(inputs) == 0 {
		return readError(problems)
	}
	var total int64
	for _, in := range inputs {
		defer in.Close()
		total += in.Size
	}
	t := &readTally{out: j.err}
	for _, p := range problems {
		t.problem(p)
	}
	p := newProgress(nil, total)
	if j.showProgress {
		p.out = j.err
	}
	err := j.pump(ctx, inputs, t, p)
	if t.odd || isTerminal(j.out) {
		t.summary(!j.selection.all())
	}
	switch {
	case err != nil:
		return fmt.Errorf("print events: %w", err)
	case t.problems > 0:
		return exitStatus(1)
	}
	return nil
}

// readError is for when there was nothing to read at all.
func readError(problems []error) error {
	err := fmt.Errorf("read audit log: %w", errors.Join(problems...))
	var advice []string
	for _, p := range problems {
		var hinted interface{ Hint() string }
		if errors.As(p, &hinted) && hinted.Hint() != "" {
			advice = append(advice, hinted.Hint())
		}
	}
	if len(advice) > 0 {
		return withHint(err, advice[:1]...)
	}
	return err
}
