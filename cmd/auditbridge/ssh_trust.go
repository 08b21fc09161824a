package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"auditbridge/forward/tunnel"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
)

func newSSHTrustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust [FORWARDING]",
		Short: "Put a server's host key into known-hosts, once a person has compared it",
		Long: `Asks the forwarding's server for its host keys, shows their fingerprints, and puts those into known-hosts that you confirm. Compare them
with what the server itself says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there, at its console): whoever stands between can show
you a key of his own. Without a terminal, --fingerprint confirms one key, and no other is taken.`,
		Args: cobra.MaximumNArgs(1),
	}
	fingerprint := cmd.Flags().String("fingerprint", "", "take the key with this fingerprint (`SHA256:…`) and ask nobody")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := chosenForwarding(cmd, args)
		if err != nil {
			return err
		}
		keys, err := f.tunnel.ShownKeys(cmd.Context())
		if err != nil {
			return err
		}
		known, err := f.tunnel.HostKeyFingerprints()
		var unknown *tunnel.HostKeyError
		if err != nil && !errors.As(err, &unknown) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		chosen, err := f.choose(cmd, keys, known, *fingerprint)
		if err != nil || len(chosen) == 0 {
			return err
		}
		if err := f.remember(chosen); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d in %s now\n", len(chosen), f.tunnel.KnownHosts)
		return takenOver(cmd.Context(), f.config)
	}
	return cmd
}

// choose is which of the keys that the server shows are to be believed from now on.
func (f *forwarding) choose(cmd *cobra.Command, keys []ssh.PublicKey, known []string, fingerprint string) (chosen []ssh.PublicKey, err error) {
	in := bufio.NewReader(cmd.InOrStdin())
	for _, key := range keys {
		name := tunnel.Fingerprint(key)
		switch {
		case slices.Contains(known, name):
			fmt.Fprintf(cmd.OutOrStdout(), "%s  known already\n", name)
			if ssh.FingerprintSHA256(key) == fingerprint {
				return nil, nil
			}
		case fingerprint != "":
			if ssh.FingerprintSHA256(key) == fingerprint {
				return []ssh.PublicKey{key}, nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s  not taken\n", name)
		default:
			yes, err := confirmed(cmd, in, name)
			if err != nil {
				return nil, err
			}
			if yes {
				chosen = append(chosen, key)
			}
		}
	}
	if fingerprint != "" {
		return nil, withHint(fmt.Errorf("%s shows no key with the fingerprint %s", f.tunnel.ServerAddress, fingerprint),
			"somebody may stand between: compare what it shows with what the server itself says, at its console")
	}
	return chosen, nil
}

// confirmed asks for the whole word: a habit answers y.
func confirmed(cmd *cobra.Command, in *bufio.Reader, name string) (bool, error) {
	fmt.Fprintf(cmd.OutOrStdout(), "%s\nis that what the server itself says? (yes/no) ", name)
	answer, err := in.ReadString('\n')
	if err == io.EOF && answer == "" {
		return false, withHint(errors.New("nobody answers"), "--fingerprint SHA256:… confirms a key without a terminal")
	}
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimSpace(answer) == "yes", nil
}

// remember appends to the known-hosts file; what stands in it stays.
func (f *forwarding) remember(keys []ssh.PublicKey) error {
	file, err := os.OpenFile(f.tunnel.KnownHosts, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("remember the server's key: %w", err)
	}
	defer file.Close()
	var lines strings.Builder
	for _, key := range keys {
		lines.WriteString(f.tunnel.KnownHostsLine(key) + "\n")
	}
	if _, err := file.WriteString(lines.String()); err != nil {
		return fmt.Errorf("remember the server's key: %w", err)
	}
	return file.Sync()
}
