package main

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"auditbridge/config"
	"auditbridge/forward/tlslink"

	"github.com/spf13/cobra"
)

// csrFlags are what a certificate request says.
type csrFlags struct {
	key, kind, out                    string
	replace                           bool
	name, organisation, unit, country string
	names                             []string
}

func newCSRCommand() *cobra.Command {
	var f csrFlags
	cmd := &cobra.Command{
		Use:   "csr [SERVER]",
		Short: "Make a key for TLS, and the request for its certificate",
		Long: `Prints a certificate request (PKCS#10) for a remote-logging server that wants to know who we are. Its private key is the one at the
server's key-file, or at --key; where there is none yet it is made, readable by the sender alone. A key that is there stays, unless
--replace is given: then nothing can be sent there until the certificate for the new one is in certificate-file.
When the certificate is in its place, check says whether it is the key's and whether its root is believed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "the private key's file; default: the server's key-file")
	flags.StringVar(&f.kind, "type", tlslink.KeyKinds[0], "of a key that is made: "+strings.Join(tlslink.KeyKinds, ", "))
	flags.BoolVar(&f.replace, "replace", false, "put a new key in the place of the one there is")
	flags.StringVar(&f.name, "cn", "", "common name; default: this host's name on the wire")
	flags.StringVar(&f.organisation, "o", "", "organisation")
	flags.StringVar(&f.unit, "ou", "", "organisational unit")
	flags.StringVar(&f.country, "c", "", "country, two letters")
	flags.StringArrayVar(&f.names, "san", nil, "host name or IP address for subjectAltName, any number; default: the common name")
	flags.StringVar(&f.out, "out", "", "write the request to this file instead of standard output")
	return cmd
}

func (f *csrFlags) run(cmd *cobra.Command, args []string) error {
	c, err := config.Load(configFile(cmd))
	if err := f.chooseKey(cmd, c, args, err); err != nil {
		return err
	}
	made, err := f.ensureKey(c)
	if err != nil {
		return err
	}
	subject := f.subject(c)
	names := f.names
	if len(names) == 0 {
		names = []string{subject.CommonName}
	}
	request, fingerprint, err := tlslink.Request(f.key, subject, names)
	if err != nil {
		return err
	}
	if made {
		if err := takenOver(cmd.Context(), c); err != nil { // it does not fit the old certificate, as was to be
			fmt.Fprintf(cmd.ErrOrStderr(), "run does not take it over yet: %v\n", err)
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\nhave this request signed, and put the certificate into certificate-file with what leads to its root\n", f.key, fingerprint)
	if f.out == "" {
		_, err = cmd.OutOrStdout().Write(request)
		return err
	}
	return os.WriteFile(f.out, request, 0o644)
}

// chooseKey settles which file holds the private key. A configuration that is not
// valid yet, for want of that very certificate, does not matter.
func (f *csrFlags) chooseKey(cmd *cobra.Command, c *config.Config, args []string, invalid error) error {
	if f.key != "" && len(args) > 0 {
		return &usageError{errors.New("a server, or --key: not both"), cmd.CommandPath()}
	}
	if f.key != "" {
		return nil
	}
	var named []string
	for _, s := range c.Servers {
		if s.KeyFile == "" {
			continue
		}
		named = append(named, s.Name)
		if len(args) > 0 && s.Name == args[0] {
			f.key = s.KeyFile
		}
	}
	switch {
	case f.key != "":
		return nil
	case len(args) == 0 && len(named) == 1:
		return f.chooseKey(cmd, c, named, invalid)
	case len(named) == 0 && invalid != nil:
		return invalid
	case len(named) == 0:
		return withHint(errors.New("no [[remote-logging-server]] has a key-file"), "set certificate-file and key-file on the server that wants a certificate, or give --key")
	case len(args) == 0:
		return &usageError{fmt.Errorf("for which server? There are %q", named), cmd.CommandPath()}
	}
	return withHint(fmt.Errorf("no [[remote-logging-server]] called %q has a key-file", args[0]), fmt.Sprintf("there are %q", named))
}

// ensureKey makes the key where there is none, or another is wanted.
func (f *csrFlags) ensureKey(c *config.Config) (made bool, err error) {
	if _, err := os.Lstat(f.key); err == nil && !f.replace {
		return false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("make a key: %w", err)
	}
	text, err := tlslink.NewKey(f.kind)
	if err != nil {
		return false, err
	}
	defer clear(text)
	return true, placeKey(c, f.key, text)
}

func (f *csrFlags) subject(c *config.Config) pkix.Name {
	subject := pkix.Name{CommonName: f.name}
	if subject.CommonName == "" {
		subject.CommonName = c.Host()
	}
	for _, part := range []struct {
		value string
		to    *[]string
	}{{f.organisation, &subject.Organization}, {f.unit, &subject.OrganizationalUnit}, {f.country, &subject.Country}} {
		if part.value != "" {
			*part.to = []string{part.value}
		}
	}
	return subject
}
