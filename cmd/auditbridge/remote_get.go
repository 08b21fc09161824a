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
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(configFile(cmd))
			if err != nil && len(c.Servers) == 0 && !onlyMissing(err) {
				return err
			}
			all := map[string][]config.Value{}
			var names []string
			for i := range c.Servers {
				name := c.Servers[i].Name
				if len(args) == 0 || args[0] == name {
					names, all[name] = append(names, name), valuesOf(c, name)
				}
			}
			if len(args) > 0 && len(names) == 0 {
				return withHint(fmt.Errorf("there is no remote-logging server %q", args[0]), "`auditbridge remote get` lists them")
			}
			if asJSON {
				return writeServersJSON(cmd, args, names, all)
			}
			return writeServers(cmd, names, all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object of each key, or with no NAME a list of them")
	return cmd
}

// valuesOf are the keys of one server, without its name before them.
func valuesOf(c *config.Config, name string) (values []config.Value) {
	for _, v := range c.Effective() {
		if key, is := strings.CutPrefix(v.Key, "remote-logging-server["+name+"]."); is {
			v.Key = key
			values = append(values, v)
		}
	}
	return values
}

func writeServersJSON(cmd *cobra.Command, args, names []string, all map[string][]config.Value) error {
	objects := []map[string]any{}
	for _, name := range names {
		object := map[string]any{}
		for _, v := range all[name] {
			var value any
			if json.Unmarshal([]byte(v.Value), &value) != nil { // numbers, booleans, lists and plain strings are both languages'
				value = v.Value
			}
			object[v.Key] = value
		}
		objects = append(objects, object)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	if len(args) > 0 {
		return out.Encode(objects[0])
	}
	return out.Encode(objects)
}

func writeServers(cmd *cobra.Command, names []string, all map[string][]config.Value) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, name := range names {
		fmt.Fprintln(w, terminal.Safe(name))
		for _, v := range all[name] {
			if v.Value != `""` {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", v.Key, terminal.Safe(v.Value), terminal.Safe(v.Origin))
			}
		}
	}
	if len(names) == 0 {
		fmt.Fprintln(w, "there is no remote-logging server")
	}
	return w.Flush()
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
			dropIn, err := config.ServerDropIn(configFile(cmd), args[0])
			if err != nil {
				return err
			}
			c, _ := config.Load(configFile(cmd))
			if err := byHand(c, dropIn, args[0]); err != nil {
				return err
			}
			e, err := takeUp(cmd, dropIn)
			if err != nil {
				return err
			}
			change, err := e.put(nil)
			if err != nil {
				return err
			}
			return change.say(cmd, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}
