package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"auditbridge/internal/terminal"
	"auditbridge/seal"

	"github.com/spf13/cobra"
)

// verifyFlags is what the command line of verify says.
type verifyFlags struct {
	keys        []string
	checkpoints []string
	filtered    bool
	json        bool
}

func newVerifyCommand() *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [DIR|FILE…|-]",
		Short: "Check the seal of a journal or of any copy of its stream",
		Long: "verify reads a journal directory, or any copy of the raw stream (files in the order\n" +
			"given, or - for standard input: a SIEM's export, a file rsyslog wrote), and says whether\n" +
			"every record is as it was sealed. Without arguments it checks the configured journal.\n" +
			"Without --key or --checkpoint it can only find whether the input is consistent with itself.\n" +
			"The first line says how many records are proven, and how many at the start and the end\n" +
			"are not: those before the first whole block, and those after the last checkpoint.\n" +
			"Exit status: 0 verified, 1 not verified (BAD or PARTIAL), 2 could not tell.",
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options()
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			in, err := verifyInput(cmd, args)
			if err != nil {
				return noAnswer("verify", err)
			}
			defer in.Close()
			r, err := runVerify(cmd, in, opts, flags.json)
			if err != nil {
				return noAnswer("verify", err)
			}
			if !r.OK() {
				return withHint(exitStatus(1), verifyHint(&r))
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&flags.keys, "key", nil, "public `KEY` known from elsewhere, ALG:BASE64URL or a file that holds it; may be given again")
	cmd.Flags().StringArrayVar(&flags.checkpoints, "checkpoint", nil, "`CHECKPOINT` noted elsewhere, SEQUENCE:SHA256 or a file that holds it or the block line; may be given again")
	cmd.Flags().BoolVar(&flags.filtered, "filtered", false, "records are expected to be absent: a partial copy is accepted")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print as JSON")
	return cmd
}

func (f *verifyFlags) options() (seal.Options, error) {
	opts := seal.Options{Filtered: f.filtered}
	for _, given := range f.keys {
		text, err := textOrFile(given)
		if err != nil {
			return opts, fmt.Errorf("--key: %w", err)
		}
		key, err := seal.ParsePublicKey(text)
		if err != nil {
			return opts, fmt.Errorf("--key: %w", err)
		}
		opts.Keys = append(opts.Keys, key)
	}
	for _, given := range f.checkpoints {
		text, err := textOrFile(given)
		if err != nil {
			return opts, fmt.Errorf("--checkpoint: %w", err)
		}
		known, err := seal.ParseCheckpoint(text)
		if err != nil {
			return opts, fmt.Errorf("--checkpoint: %w", err)
		}
		opts.Known = append(opts.Known, known)
	}
	return opts, nil
}

// textOrFile returns what a flag says, or the first line of the file it names.
func textOrFile(given string) (string, error) {
	data, err := os.ReadFile(given)
	if errors.Is(err, os.ErrNotExist) && strings.Contains(given, ":") {
		return given, nil
	}
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(first), nil
}

// verifyInput is the journal directory or the files the arguments name.
func verifyInput(cmd *cobra.Command, args []string) (*sealedInput, error) {
	args, err := orJournal(cmd, args)
	if err != nil {
		return nil, err
	}
	tellReading(cmd, args)
	if len(args) == 1 && isDir(args[0]) {
		return openJournalDir(args[0])
	}
	return openFiles(args, cmd.InOrStdin())
}

func runVerify(cmd *cobra.Command, in *sealedInput, opts seal.Options, asJSON bool) (seal.Report, error) {
	opts.Own, opts.First = in.own, in.first
	v := seal.NewVerifier(opts)
	progress := newProgress(cmd.ErrOrStderr(), in.size())
	if err := in.each(v.Line, progress); err != nil {
		return seal.Report{}, err
	}
	r := v.Finish()
	write := writeVerifyText
	if asJSON {
		write = writeVerifyJSON
	}
	return r, write(cmd.OutOrStdout(), &r, in)
}

func writeVerifyText(w io.Writer, r *seal.Report, in *sealedInput) error {
	var b strings.Builder
	line := func(indent, text string) { fmt.Fprintf(&b, "%s%s\n", indent, terminal.Safe(text)) }
	line("", r.Summary())
	for _, c := range r.Chains {
		if c.Node != "" {
			line("", c.Node+": "+string(c.Verdict))
		}
		for _, fact := range c.Facts() {
			line("  ", fact)
		}
	}
	if r.Foreign > 0 {
		line("  ", fmt.Sprintf("other lines, of no host that seals: %d", r.Foreign))
	}
	if in.torn > 0 {
		line("  ", fmt.Sprintf("at the end: %d bytes of a line that is still being written", in.torn))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeVerifyJSON(w io.Writer, r *seal.Report, in *sealedInput) error {
	return writeIndented(w, struct {
		*seal.Report
		Torn int `json:"torn_bytes"`
	}{r, in.torn})
}

// verifyHint says what to do about the first thing that is wrong.
func verifyHint(r *seal.Report) string {
	for _, c := range r.Chains {
		if len(c.Defects) == 0 {
			continue
		}
		switch c.Defects[0].Reason {
		case seal.NotSealed:
			return "verify takes an auditbridge journal or its raw stream (a destination with format = \"audit\"); another program's log has no seal"
		case seal.NotAnchored:
			return "give the key that was in use when this input begins or ends, or one with the checkpoint in it"
		case seal.KeyNotAnnounced:
			return "if the daemon's record tells of a lost key, compare the new one with the host's and give both with --key"
		case seal.OtherJournal:
			return "verify each journal apart"
		}
		return "keep this input as it is and compare the sequences named with another copy"
	}
	for _, c := range r.Chains {
		if c.Verdict == seal.Partial {
			return partialHint(c)
		}
	}
	return ""
}

// partialHint says what to do about a chain in which nothing is wrong, and
// something is missing.
func partialHint(c *seal.ChainReport) string {
	switch {
	case c.PartialBlocks > 0 && len(c.Reservations) == 0:
		return "records are absent; if this copy was filtered on purpose, say so with --filtered"
	case c.Young:
		return "if this is an auditbridge stream, its first checkpoint comes within 60 s: verify again, or add the file before this one"
	case c.NotCovered:
		return "give a key of every host with --key, or verify each host apart"
	case c.Stranded > 0:
		return "see the op=gap and op=damage records next to the gaps: the disk lost what would have sealed these"
	case c.Tail > 0 && c.Leading == 0:
		return "a running auditbridge signs at least every 60 s: verify again in a minute; if it stays, do not trust what follows the last checkpoint"
	}
	return "records before the first whole block are not proven: add the files before these, and do not trust them otherwise"
}
