package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"auditbridge/config"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// remoteFlags are the flags of `remote set` whose values stand in the drop-in as they
// are given, by key.
var remoteFlags = []struct{ flag, key, kind, usage string }{
	{"server-name", "address", "string", "the server's host name or IP `ADDRESS`"},
	{"port", "port", "int", "its `PORT`; the protocol's unless given"},
	{"protocol", "protocol", "string", "what is spoken: udp, tcp, tls, relp, auditd or https; tls unless given"},
	{"via", "via", "string", "the [[port-forwarding]] of this `NAME` carries it"},
	{"tls", "tls", "bool", "relp and auditd in TLS"},
	{"certificate-name", "server-name", "string", "whom its certificate has to be for; the address unless given"},
	{"ca-file", "ca-file", "string", "its root, in this PEM `FILE`"},
	{"skip-certificate-check", "skip-certificate-check", "bool", "believe any certificate (laboratories)"},
	{"skip-cn-check", "skip-cn-check", "bool", "believe any name in a certificate of that root (laboratories)"},
	{"format", "format", "string", "rfc5424, rfc3164, cef, json or audit"},
	{"framing", "framing", "string", "of tcp and tls: octet-counting or lf"},
	{"facility", "facility", "string", "stamped instead of the event's own"},
	{"severity", "severity", "string", "stamped instead of the event's own"},
	{"include", "include", "list", "the `CLASSES` that are sent"},
	{"start", "start", "string", "where to begin: now or oldest"},
	{"catch-up-rate", "catch-up-rate", "string", "a second at most, such as 2MiB"},
	{"body", "body", "string", "of https: ndjson, splunk-hec or elastic-bulk"},
	{"path", "path", "string", "of https: where requests go"},
	{"token-file", "token-file", "string", "of https: a `FILE` with the token"},
}

func newRemoteSetCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set NAME --server-name ADDRESS",
		Short: "Set a remote-logging server, or change what is given of it",
		Long: `Writes the server's drop-in and has run take it over. What is not given of a server that is set already stays as it is; --unset puts a key back to its default.
Encrypted and authenticated is the default: --no-encryption and --use-udp are on record, warned of, and refused in a Common Criteria profile.`,
		Example: "  auditbridge remote set siem --server-name log.example.org\n  auditbridge remote set lab --server-name 10.0.0.7 --use-udp --format cef",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := setRemote(cmd, args[0])
			if err != nil {
				return err
			}
			return change.say(cmd, args[0], asJSON)
		},
	}
	flags := cmd.Flags()
	for _, f := range remoteFlags {
		switch f.kind {
		case "string":
			flags.String(f.flag, "", f.usage)
		case "int":
			flags.Int(f.flag, 0, f.usage)
		case "bool":
			flags.Bool(f.flag, false, f.usage)
		case "list":
			flags.StringSlice(f.flag, nil, f.usage)
		}
	}
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "address" {
			name = "server-name"
		}
		return pflag.NormalizedName(name)
	})
	flags.Bool("no-encryption", false, "the same as --protocol tcp: in clear text")
	flags.Bool("use-udp", false, "the same as --protocol udp: in clear text, best effort")
	flags.StringSlice("unset", nil, "put these `KEYS` back to their defaults")
	flags.BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}

func setRemote(cmd *cobra.Command, name string) (*remoteChange, error) {
	dropIn, err := config.ServerDropIn(configFile(cmd), name)
	if err != nil {
		return nil, err
	}
	c, _ := config.Load(configFile(cmd))
	if err := byHand(c, dropIn, name); err != nil {
		return nil, err
	}
	table := maps.Clone(dropIn.Server())
	if table == nil {
		table = map[string]any{}
	}
	table["name"] = name
	if err := fromFlags(cmd.Flags(), table); err != nil {
		return nil, &usageError{err, cmd.CommandPath()}
	}
	if table["address"] == nil {
		return nil, &usageError{errors.New("--server-name is needed: a host name or an IP address"), cmd.CommandPath()}
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

// fromFlags puts what the command line says into a server's table.
func fromFlags(flags *pflag.FlagSet, table map[string]any) error {
	for _, f := range remoteFlags {
		if !flags.Changed(f.flag) {
			continue
		}
		switch f.kind {
		case "string":
			table[f.key], _ = flags.GetString(f.flag)
		case "int":
			table[f.key], _ = flags.GetInt(f.flag)
		case "bool":
			table[f.key], _ = flags.GetBool(f.flag)
		case "list":
			table[f.key], _ = flags.GetStringSlice(f.flag)
		}
	}
	plain, _ := flags.GetBool("no-encryption")
	udp, _ := flags.GetBool("use-udp")
	word := map[bool]string{true: "udp", false: "tcp"}[udp]
	if plain || udp {
		if said, _ := flags.GetString("protocol"); said != "" && said != word {
			return fmt.Errorf("--protocol %s, and another flag means %s", said, word)
		}
		table["protocol"] = word
	}
	unset, _ := flags.GetStringSlice("unset")
	for _, key := range unset {
		i := slices.IndexFunc(remoteFlags, func(f struct{ flag, key, kind, usage string }) bool { return f.key == key || f.flag == key })
		if i < 0 {
			return fmt.Errorf("--unset %s: there is no such key; there are %s", key, strings.Join(remoteKeys(), " "))
		}
		delete(table, remoteFlags[i].key)
	}
	return nil
}

func remoteKeys() (keys []string) {
	for _, f := range remoteFlags {
		keys = append(keys, f.key)
	}
	return keys
}
