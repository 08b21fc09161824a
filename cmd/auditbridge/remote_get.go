package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"auditbridge/config"
	"auditbridge/internal/terminal"

	"github.com/spf13/cobra"
)

func newRemoteGetCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get [NAME]",
		Short: "Show what is in force for a remote-logging server, or for each",
		Long: `Shows what is in force, each key as KEY=VALUE, quoted as a shell wants it and "remote set" takes it, and where it was set. What is said of no key is its default.
What stands in the files that keys name comes behind them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(configFile(cmd))
			if err != nil && len(c.Servers) == 0 && !onlyMissing(err) {
				return err
			}
			var names []string
			for i := range c.Servers {
				if name := c.Servers[i].Name; len(args) == 0 || args[0] == name {
					names = append(names, name)
				}
			}
			if len(args) > 0 && len(names) == 0 {
				return withHint(fmt.Errorf("there is no remote-logging server %q", args[0]), "`auditbridge remote get` lists them")
			}
			if asJSON {
				return writeServersJSON(cmd, c, args, names)
			}
			return writeServers(cmd, c, names)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object of each key, or with no NAME a list of them")
	return cmd
}

func writeServersJSON(cmd *cobra.Command, c *config.Config, args, names []string) error {
	objects := []map[string]any{}
	for _, name := range names {
		object, holds := map[string]any{"name": name}, map[string]string{}
		for _, v := range c.ServerValues(name) {
			object[v.Key] = v.Value
		}
		for _, v := range c.ServerHolds(name) {
			holds[v.Key] = v.Value
		}
		if len(holds) > 0 {
			object["holds"] = holds
		}
		objects = append(objects, object)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	if len(args) > 0 {
		return out.Encode(objects[0])
	}
	return out.Encode(objects)
}

func writeServers(cmd *cobra.Command, c *config.Config, names []string) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, name := range names {
		fmt.Fprintln(w, terminal.Safe(name))
		for _, v := range c.ServerValues(name) {
			for _, text := range v.Texts {
				fmt.Fprintf(w, "  %s=%s\t%s\n", v.Key, terminal.Safe(inShell(text)), terminal.Safe(v.Origin))
			}
		}
		for _, v := range c.ServerHolds(name) {
			fmt.Fprintf(w, "  %s holds %s\t%s\n", v.Key, terminal.Safe(v.Value), terminal.Safe(v.Origin))
		}
	}
	if len(names) == 0 {
		fmt.Fprintln(w, "there is no remote-logging server")
	}
	return w.Flush()
}

// inShell quotes a word as a POSIX shell reads it, where it has to be.
func inShell(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,@=+", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func newRemoteRemoveCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a remote-logging server; sending to it ends at once",
		Long: `Removes the server's drop-in and has run take that over: sending ends, and the server's place in the journal is forgotten, on record.
A server that stands in a file that people write is theirs to remove.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := alone(cmd, func() (*remoteChange, error) { return removeRemote(cmd, args[0]) })
			if err != nil {
				return err
			}
			return change.say(cmd, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}

func removeRemote(cmd *cobra.Command, name string) (*remoteChange, error) {
	dropIn, err := serverDropIn(cmd, name)
	if err != nil {
		return nil, err
	}
	e, err := takeUp(cmd, dropIn)
	if err != nil {
		return nil, err
	}
	return e.put(nil)
}
