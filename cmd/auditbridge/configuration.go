package main

import (
	"errors"
	"io/fs"

	"auditbridge/config"

	"github.com/spf13/cobra"
)

// configFile is the configuration that a command is to go by.
func configFile(cmd *cobra.Command) string {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		panic("internal error: " + err.Error()) // the root command has the flag for all
	}
	return file
}

// onlyMissing reports whether there simply is no configuration: the defaults
// hold then.
func onlyMissing(err error) bool {
	var problems config.Problems
	return errors.As(err, &problems) && len(problems) == 1 && errors.Is(problems[0], fs.ErrNotExist)
}

// orJournal is where a command is to read that reads the configured journal unless
// its arguments name something else.
func orJournal(cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	c, err := config.Load(configFile(cmd))
	if err != nil && !onlyMissing(err) {
		return nil, withHint(errors.New("find the journal: the configuration is not valid"), "name the directory, or see `auditbridge check`")
	}
	return []string{c.JournalDir}, nil
}
