package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// madeKey is what `ssh keygen --json` and `ssh key --json` print.
type madeKey struct {
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
	Line        string `json:"authorized_keys"`
}

func newSSHKeygenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keygen [FORWARDING]",
		Short: "Make the key by which a forwarding logs in, and print its line for the server",
		Long: `Makes the private key at the forwarding's identity-file, readable by the sender alone, of the best kind that is allowed (ed25519, or
ecdsa with 384 bits under a profile that wants it), and prints the line that the server's authorized_keys file needs: with it the
key can forward to our destinations and nothing else. A key that is there stays, unless --replace is given.`,
		Args: cobra.MaximumNArgs(1),
	}
	replace := cmd.Flags().Bool("replace", false, "put a new key in the place of the one there is")
	asJSON := cmd.Flags().Bool("json", false, "print as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := chosenForwarding(cmd, args)
		if err != nil {
			return err
		}
		if err := f.makeIdentity(*replace); err != nil {
			return err
		}
		if err := takenOver(cmd.Context(), f.config); err != nil {
			return err
		}
		return f.printIdentity(cmd, *asJSON)
	}
	return cmd
}

func newSSHKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key [FORWARDING]",
		Short: "Print the line that a server's authorized_keys file needs",
		Args:  cobra.MaximumNArgs(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "print as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := chosenForwarding(cmd, args)
		if err != nil {
			return err
		}
		return f.printIdentity(cmd, *asJSON)
	}
	return cmd
}

// makeIdentity makes the key file.
func (f *forwarding) makeIdentity(replace bool) error {
	path := f.tunnel.IdentityFile
	if agent := f.tunnel.IdentityAgent; agent != "" {
		return withHint(fmt.Errorf("make a key: it is the agent at %s that holds it", agent), "`auditbridge ssh key` prints its line, once its public half is in "+path)
	}
	if _, err := os.Lstat(path); err == nil && !replace {
		return withHint(fmt.Errorf("make a key: %s exists", path), "`auditbridge ssh key` prints its line; --replace puts a new key in its place, which the server does not know yet")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make a key: %w", err)
	}
	private, _, err := f.tunnel.Algorithms.NewIdentity("auditbridge@" + f.config.Host())
	if err != nil {
		return err
	}
	defer clear(private)
	return placeKey(f.config, path, private)
}

func (f *forwarding) printIdentity(cmd *cobra.Command, asJSON bool) error {
	public, err := f.tunnel.PublicIdentity()
	if err != nil {
		return err
	}
	fingerprint, err := f.tunnel.IdentityFingerprint()
	if err != nil {
		return err
	}
	made := madeKey{f.tunnel.IdentityFile, fingerprint, f.authorizedKey(public)}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(made)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\non %s, put this line into %s's authorized_keys:\n", made.File, made.Fingerprint, f.tunnel.ServerAddress, f.tunnel.User)
	_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Line)
	return err
}
