package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"auditbridge/internal/durable"
	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PROFILE]",
		Short: "List the rule sets that come with auditbridge, or print one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				p, err := findProfile(args[0])
				if err == nil {
					_, err = fmt.Fprint(cmd.OutOrStdout(), p.For(host))
				}
				return err
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "PROFILE\tRULES\tWHAT FOR")
			for i := range rules.Profiles() {
				p := &rules.Profiles()[i]
				f, err := rules.Parse(p.Name, p.For(host), host)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%d\t%s\n", p.Name, len(f.Desire().Rules), p.Title)
			}
			return t.Flush()
		},
	}
}

func newRulesAddCommand() *cobra.Command {
	var directory string
	var force bool
	cmd := &cobra.Command{
		Use:   "add PROFILE",
		Short: "Write a rule set into the directory of rule files",
		Long: `add writes a profile, as it is for this machine, to a file of its own in the
directory of rule files, and loads nothing. The file is yours from then on: one that
was changed is replaced only with --force.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			p, err := findProfile(args[0])
			if err != nil {
				return err
			}
			path := filepath.Join(cmp.Or(directory, ownPlaces(cmd).Rules.Path), p.File)
			if err := writeRuleFile(path, []byte(p.For(host)), force); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "written: %s\nnext: auditbridge rules check, auditbridge rules diff, auditbridge rules load\n", path)
			return nil
		},
	}
	cmd.Flags().StringVar(&directory, "path", "", "the `DIRECTORY` of rule files (default path under [rules]: /etc/audit/rules.d)")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that was changed")
	return cmd
}

func findProfile(name string) (*rules.Profile, error) {
	p, err := rules.FindProfile(name)
	var wrong rules.Problem
	if errors.As(err, &wrong) {
		err = withHint(errors.New(wrong.What), wrong.Hint)
	}
	return p, err
}

// writeRuleFile replaces no file that says something else, unless by force.
func writeRuleFile(path string, text []byte, force bool) error {
	switch there, err := os.ReadFile(path); {
	case err == nil && bytes.Equal(there, text):
		return nil
	case err == nil && !force:
		return withHint(fmt.Errorf("write %s: it is there and says something else", path), "compare it with `auditbridge rules list "+profileOf(path)+"`, or replace it with --force")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write rules: %w", err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	dir, err := durable.OpenDir(filepath.Dir(path), 0o750, -1)
	if err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	defer dir.Close()
	if err := durable.Create(dir, filepath.Base(path), text, 0o640, -1); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	return nil
}

func profileOf(path string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".rules"), "-auditbridge-")
	return name
}
