package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"auditbridge/config"
	"auditbridge/forward/tlslink"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newClientCertificateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client-certificate",
		Short: "Set, show and remove the certificate that we show to servers in TLS",
		Long: `The certificate of [syslog], which each server in TLS is shown that asks for one and has none of its own set. It has a drop-in of its own, like a server;
it and its key are copied to tls/ beside the configuration, the key for the sender alone.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClientSetCommand(), newClientGetCommand(), newClientRemoveCommand())
	return cmd
}

func newClientSetCommand() *cobra.Command {
	var given tlslink.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set {--pkcs12-file FILE | --certificate-file FILE --key-file FILE}",
		Short: "Take this certificate with its key as the one that is shown",
		Long: `Takes a PKCS#12 file, or a certificate and its key in PEM; what leads from the certificate to its root may stand behind it. The key has to be there and be the certificate's,
the certificate has to be of today and from a root that the servers' are from. The files that are named stay as they are and are not needed any more.`,
		Example: `  auditbridge remote client-certificate set --pkcs12-file client.p12 --pkcs12-password-file password
  systemd-ask-password | auditbridge remote client-certificate set --pkcs12-file client.p12 --pkcs12-password-file -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (given.PKCS12File == "") == (given.CertificateFile == "" && given.KeyFile == "") || (given.CertificateFile == "") != (given.KeyFile == "") || given.PKCS12File == "" && given.PasswordFile != "" {
				return &usageError{errors.New("either --pkcs12-file, or --certificate-file and --key-file"), cmd.CommandPath()}
			}
			if given.PasswordFile == "-" {
				piped, err := pipedPassword(cmd.InOrStdin())
				if err != nil {
					return err
				}
				defer piped.Close()
				given.PasswordFile = fmt.Sprintf("/proc/self/fd/%d", piped.Fd())
			}
			change, err := alone(cmd, func() (*remoteChange, error) { return setClientCertificate(cmd, given) })
			if err != nil {
				return err
			}
			return change.say(cmd, "client-certificate", asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&given.PKCS12File, "pkcs12-file", "", "certificate, chain and key in this `FILE`")
	flags.StringVar(&given.PasswordFile, "pkcs12-password-file", "", "the `FILE` whose one line opens it; - is standard input")
	flags.StringVar(&given.CertificateFile, "certificate-file", "", "PEM `FILE` of the certificate and what leads to its root")
	flags.StringVar(&given.KeyFile, "key-file", "", "PEM `FILE` of its key")
	flags.BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}

// pipedPassword is what somebody pipes to us as a file in memory: it stands nowhere else.
func pipedPassword(in io.Reader) (*os.File, error) {
	if isTerminal(in) {
		return nil, withHint(errors.New("standard input is a terminal, which would show the password"), "systemd-ask-password | auditbridge remote client-certificate set …")
	}
	word, err := io.ReadAll(io.LimitReader(in, maxPassword))
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	defer clear(word)
	fd, err := unix.MemfdCreate("password", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("keep the password: %w", err)
	}
	file := os.NewFile(uintptr(fd), "password")
	if _, err = file.Write(word); err == nil {
		err = file.Chmod(0o600)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("keep the password: %w", err)
	}
	return file, nil
}

// maxPassword bounds in bytes what is read of one.
const maxPassword = 4 << 10

func setClientCertificate(cmd *cobra.Command, given tlslink.Config) (*remoteChange, error) {
	c, _ := config.Load(configFile(cmd))
	dropIn, err := clientDropIn(cmd)
	if err != nil {
		return nil, err
	}
	own, err := givenIdentity(c, given)
	if err != nil {
		return nil, err
	}
	defer clear(own.Key)
	e, err := takeUp(cmd, dropIn)
	if err != nil {
		return nil, err
	}
	store := identityStore{dropIn}
	certificate, key, err := store.place(c, own)
	if err != nil {
		return nil, errors.Join(err, store.sweep(c))
	}
	next, err := config.ClientDropIn(configFile(cmd))
	if err != nil {
		return nil, err
	}
	next.SetClientCertificate(certificate, key)
	text, err := next.Text()
	if err != nil {
		return nil, err
	}
	change, err := e.put(text)
	if err != nil {
		return nil, errors.Join(err, store.sweep(c))
	}
	return change, sweepAfter(cmd, next)
}

// givenIdentity is what set is given, if a server would take it today. Each server that
// is shown it has it held against its own roots when the whole is validated; before
// there is one, those of [syslog] count.
func givenIdentity(c *config.Config, given tlslink.Config) (*tlslink.Identity, error) {
	given.CAFile = c.Syslog.CAFile
	for _, d := range c.Destinations() {
		if d.TLS != nil {
			given.CAFile = ""
		}
	}
	if _, err := os.Stat(given.CAFile); err != nil {
		given.CAFile = ""
	}
	own, err := given.Identity()
	if err != nil {
		return nil, err
	}
	if err := own.Current(time.Now()); err != nil {
		clear(own.Key)
		return nil, withHint(err, "have a new one issued (`auditbridge csr`), or look at this host's clock")
	}
	return own, nil
}

func newClientGetCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Show the certificate that we show; never its key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(configFile(cmd))
			if err != nil && !onlyMissing(err) {
				return err
			}
			own, err := c.Syslog.Identity().Identity()
			if err != nil {
				return err
			}
			if own == nil {
				return withHint(errors.New("there is no client certificate"), "`auditbridge remote client-certificate set` takes one; a server's own is shown by `auditbridge remote get`")
			}
			clear(own.Key)
			return writeIdentity(cmd, own, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func writeIdentity(cmd *cobra.Command, own *tlslink.Identity, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
			tlslink.ID
			NotBefore   time.Time `json:"not-before"`
			Fingerprint string    `json:"sha256"`
		}{own.ID, own.NotBefore, own.Fingerprint})
	}
	until := own.ID.NotAfter.UTC().Format(time.RFC3339)
	if err := own.Current(time.Now()); err != nil {
		until += " (NOT VALID TODAY)"
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{{"subject", own.ID.Subject}, {"issuer", own.ID.Issuer}, {"serial", own.ID.Serial},
		{"not before", own.NotBefore.UTC().Format(time.RFC3339)}, {"not after", until}, {"sha256", own.Fingerprint}} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1]) // an ID is safe for a terminal
	}
	return w.Flush()
}

func newClientRemoveCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Show no certificate any more, and erase its key",
		Long: `Removes the drop-in, has run take that over, which puts on record which certificate it was, and then erases certificate and key.
A certificate that stands in a file that people write is theirs to remove.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change, err := alone(cmd, func() (*remoteChange, error) { return removeClientCertificate(cmd) })
			if err != nil {
				return err
			}
			return change.say(cmd, "client-certificate", asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has changed as one JSON object")
	return cmd
}

func removeClientCertificate(cmd *cobra.Command) (*remoteChange, error) {
	dropIn, err := clientDropIn(cmd)
	if err != nil {
		return nil, err
	}
	c, _ := config.Load(configFile(cmd))
	if own := c.Syslog.Identity(); dropIn.Tables == nil && (own.CertificateFile != "" || own.PKCS12File != "") {
		return nil, withHint(errors.New("the client certificate stands in a file that a person wrote"), "take it out there, then `auditbridge reload`; `auditbridge check -v` says where")
	}
	e, err := takeUp(cmd, dropIn)
	if err != nil {
		return nil, err
	}
	change, err := e.put(nil)
	if err != nil {
		return nil, err
	}
	return change, sweepAfter(cmd, &config.DropIn{Path: dropIn.Path})
}

// clientDropIn is the drop-in as it is, unless a person has written in it.
func clientDropIn(cmd *cobra.Command) (*config.DropIn, error) {
	d, err := config.ClientDropIn(configFile(cmd))
	if err == nil && d.Tables != nil && !d.IsClientCertificate() {
		return nil, withHint(fmt.Errorf("%s holds what a person wrote", d.Path), "move that to another file of conf.d")
	}
	return d, err
}

// sweepAfter erases what is not named any more now that the drop-in is this one.
func sweepAfter(cmd *cobra.Command, dropIn *config.DropIn) error {
	c, _ := config.Load(configFile(cmd))
	return identityStore{dropIn}.sweep(c)
}

// identityDir is where the files are, for a drop-in in conf.d.
func identityDir(d *config.DropIn) string {
	return filepath.Join(filepath.Dir(filepath.Dir(d.Path)), "tls")
}
