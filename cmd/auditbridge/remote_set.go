package main

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"auditbridge/config"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRemoteSetCommand() *cobra.Command {
	var asJSON bool
	given := givenKeys{}
	cmd := &cobra.Command{
		Use:   "set NAME --server-name ADDRESS [--FLAG VALUE | KEY=VALUE]...",
		Short: "Set a remote-logging server, or change what is given of it",
		Long: `Writes the server's drop-in and has run take it over. Each key that a server has in the configuration can be given, as a flag or as KEY=VALUE, the way "remote get" prints it; a list or a filter
replaces those there were. What is not given of a server that is set already stays as it is; --unset KEY, or KEY= with nothing behind it, puts a key back to its default.
Encrypted and authenticated is the default: --no-encryption and --use-udp are on record, warned of, and refused in a Common Criteria profile.`,
		Example: `  auditbridge remote set siem --server-name log.example.org
  auditbridge remote set lab --server-name 10.0.0.7 --use-udp --format cef --filter 'facility=auth severity=info'
  auditbridge remote set lab format=rfc5424 filter=`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := setRemote(cmd, args[0], args[1:], given)
			if err != nil {
				return err
			}
			return change.say(cmd, args[0], asJSON)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	given.addTo(flags)
	flags.Bool("no-encryption", false, "the same as --protocol tcp: in clear text")
	flags.Bool("use-udp", false, "the same as --protocol udp: in clear text, best effort")
	flags.StringSlice("unset", nil, "put these `KEYS` back to their defaults")
	flags.BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}

func setRemote(cmd *cobra.Command, name string, pairs []string, given givenKeys) (*remoteChange, error) {
	if name == "" { // an empty one would be replaced by address and port
		return nil, &usageError{errors.New("a server's name is needed"), cmd.CommandPath()}
	}
	if err := given.add(cmd.Flags(), pairs); err != nil {
		return nil, &usageError{err, cmd.CommandPath()}
	}
	return alone(cmd, func() (*remoteChange, error) { return changeRemote(cmd, name, given) })
}

func changeRemote(cmd *cobra.Command, name string, given givenKeys) (*remoteChange, error) {
	dropIn, err := serverDropIn(cmd, name)
	if err != nil {
		return nil, err
	}
	table := maps.Clone(dropIn.Server())
	if table == nil {
		table = map[string]any{}
	}
	table["name"] = name
	if err = given.into(table); err == nil && table["address"] == nil {
		err = errors.New("--server-name is needed: a host name or an IP address")
	}
	if err != nil {
		return nil, &usageError{err, cmd.CommandPath()}
	}
	e, err := takeUp(cmd, dropIn)
	if err != nil {
		return nil, err
	}
	dropIn.SetServer(table)
	text, err := dropIn.Text()
	if err != nil {
		return nil, err
	}
	return e.put(text)
}

// givenKeys are the texts that a command line has for a server's keys, by key. One that
// is empty puts the key back to its default.
type givenKeys map[string][]string

// addTo makes a flag of every key there is. Its own name is a flag, too, where the
// documents have another and no other flag has it.
func (g givenKeys) addTo(flags *pflag.FlagSet) {
	alias := map[string]string{}
	for _, k := range config.ServerKeys() {
		flags.Var(keyFlag{k, g}, k.Flag, k.Usage)
		if k.Kind == "bool" {
			flags.Lookup(k.Flag).NoOptDefVal = "true"
		}
		if k.Flag != k.Name {
			alias[k.Name] = k.Flag
		}
	}
	maps.DeleteFunc(alias, func(name, _ string) bool { return flags.Lookup(name) != nil })
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if flag, is := alias[name]; is {
			name = flag
		}
		return pflag.NormalizedName(name)
	})
}

// keyFlag is a key's flag.
type keyFlag struct {
	key   config.ServerKey
	given givenKeys
}

func (f keyFlag) String() string { return "" } // no default of its own
func (f keyFlag) Type() string   { return f.key.Kind }

func (f keyFlag) Set(text string) error {
	f.given[f.key.Name] = append(f.given[f.key.Name], text)
	return nil
}

// add takes up what says so in other words than a key's flag.
func (g givenKeys) add(flags *pflag.FlagSet, pairs []string) error {
	for _, pair := range pairs {
		name, text, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("%q is not such as KEY=VALUE", pair)
		}
		key, err := config.FindServerKey(name)
		if err != nil {
			return err
		}
		g[key.Name] = append(g[key.Name], text)
	}
	plain, _ := flags.GetBool("no-encryption")
	udp, _ := flags.GetBool("use-udp")
	if word := map[bool]string{true: "udp", false: "tcp"}[udp]; plain || udp {
		for _, said := range g["protocol"] {
			if said != word {
				return fmt.Errorf("protocol %s, and another flag means %s", said, word)
			}
		}
		g["protocol"] = []string{word}
	}
	unset, _ := flags.GetStringSlice("unset")
	for _, name := range unset {
		key, err := config.FindServerKey(name)
		if err != nil {
			return fmt.Errorf("--unset: %w", err)
		}
		if len(g[key.Name]) > 0 {
			return fmt.Errorf("--unset %s, and it is given, too", name)
		}
		g[key.Name] = []string{""}
	}
	return nil
}

// into puts it into a server's table.
func (g givenKeys) into(table map[string]any) error {
	for _, k := range config.ServerKeys() {
		texts, is := g[k.Name]
		if !is {
			continue
		}
		value, err := k.Parse(texts)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", k.Name, err)
		case value == nil:
			delete(table, k.Name)
		default:
			table[k.Name] = value
		}
	}
	return nil
}
