package main

import (
	"errors"
	"fmt"

	"auditbridge/config"
	"auditbridge/forward/tunnel"

	"github.com/spf13/cobra"
)

func newSSHCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh",
		Short: "Set up and try a [[port-forwarding]]: our key, the server's key, the way through",
		Long: `What an SSH tunnel needs before it can carry records: a key of ours that the server lets in (keygen, key), the server's own key,
compared by a person (trust), and both put to the test (test). FORWARDING is the name of a [[port-forwarding]]; where there is
only one, it may be left out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSSHKeygenCommand(), newSSHKeyCommand(), newSSHTrustCommand(), newSSHTestCommand())
	return cmd
}

// forwarding is what an `auditbridge ssh` command is about.
type forwarding struct {
	config  *config.Config
	tunnel  tunnel.Config
	remotes []tunnel.Remote // what goes through it
}

// chosenForwarding is the one that args names, or the only one.
func chosenForwarding(cmd *cobra.Command, args []string) (*forwarding, error) {
	c, err := config.Load(configFile(cmd))
	all := c.Tunnels()
	if err != nil && len(all) == 0 {
		return nil, err
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	for _, t := range all {
		if t.Name == name || name == "" && len(all) == 1 {
			return &forwarding{c, t, remotesOf(c, t)}, nil
		}
	}
	var names []string
	for _, t := range all {
		names = append(names, t.Name)
	}
	switch {
	case len(all) == 0:
		return nil, withHint(errors.New("there is no [[port-forwarding]]"), "write one into "+configFile(cmd))
	case name == "":
		return nil, &usageError{fmt.Errorf("which forwarding? There are %q", names), cmd.CommandPath()}
	}
	return nil, withHint(fmt.Errorf("there is no [[port-forwarding]] called %q", name), fmt.Sprintf("there are %q", names))
}

// remotesOf are where the tunnel t has to lead: to destinations, and to the servers of
// tunnels that are reached through it.
func remotesOf(c *config.Config, t tunnel.Config) (remotes []tunnel.Remote) {
	seen := map[tunnel.Remote]bool{}
	add := func(r tunnel.Remote) {
		if !seen[r] && r.Port != 0 {
			seen[r] = true
			remotes = append(remotes, r)
		}
	}
	for i := range c.Servers {
		if server := &c.Servers[i]; server.Via == t.Name {
			address, port := c.FarEnd(server)
			add(tunnel.Remote{Host: address, Port: int(port)})
		}
	}
	for _, other := range c.Tunnels() {
		if other.Via != nil && other.Via.Name == t.Name {
			add(tunnel.Remote{Host: other.ServerAddress, Port: other.ServerPort})
		}
	}
	add(tunnel.Remote{Host: t.RemoteHost, Port: t.RemotePort})
	return remotes
}

// authorizedKey is the line for the server's authorized_keys file.
func (f *forwarding) authorizedKey(public string) string {
	var names []string
	for _, r := range f.remotes {
		names = append(names, r.String())
	}
	return tunnel.AuthorizedKey(public, names...)
}
