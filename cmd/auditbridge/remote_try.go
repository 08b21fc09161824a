package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"auditbridge/config"
	"auditbridge/forward"

	"github.com/spf13/cobra"
)

func newRemoteTestCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send one marked event to a server, step by step, and say which step fails and why",
		Long: `Goes the way that sending goes, as the user that sends: connects, through the tunnel and in TLS where configured, sends one event, in the server's format, with a mark that is printed, and
waits for what its protocol has as a sign that it arrived. The event stands in no journal. run need not be running.
Exit status: 0 it arrived, as far as the protocol can tell; 1 not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(configFile(cmd))
			if err != nil {
				return err
			}
			to, err := destinationCalled(c, args[0])
			if err != nil {
				return err
			}
			if err := becomeSender(c); err != nil {
				return err
			}
			mark := make([]byte, 8)
			rand.Read(mark)
			fmt.Fprintf(cmd.ErrOrStderr(), "the event's mark is %s\n", hex.EncodeToString(mark))
			say := func(s forward.Step) { tried(s.Name, s.Said, s.Err).say(cmd.OutOrStdout(), asJSON) }
			if err := forward.Try(cmd.Context(), to, c.Tunnels(), markedRecord(hex.EncodeToString(mark), time.Now()), say); err != nil {
				return exitStatus(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each step")
	return cmd
}

func destinationCalled(c *config.Config, name string) (forward.Config, error) {
	for _, d := range c.Destinations() {
		if d.Name == name {
			d.PID, d.Build = os.Getpid(), thisBuild().Version
			return d, nil
		}
	}
	return forward.Config{}, withHint(fmt.Errorf("there is no remote-logging server %q", name), "`auditbridge remote get` lists them")
}

// markedRecord is a user's message, as the kernel would have passed it on; that it is
// a test, and whose, is all it says.
func markedRecord(mark string, now time.Time) []byte {
	return fmt.Appendf(nil, `type=USER msg=audit(%d.%03d:0): pid=%d uid=%d auid=4294967295 ses=4294967295 msg='op=remote-test mark=%s exe="auditbridge" hostname=? addr=? terminal=? res=success'`,
		now.Unix(), now.Nanosecond()/1e6, os.Getpid(), os.Getuid(), mark)
}
