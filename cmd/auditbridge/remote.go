package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/durable"
	"auditbridge/internal/terminal"

	"github.com/spf13/cobra"
)

func newRemoteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remote",
		Short: "Set, show, remove and try remote-logging servers, and our certificate",
		Long: `Each server that is set here has a drop-in of its own in conf.d, beside the configuration. A change is checked as a whole with all
other files before it is written; then run takes it over, and it is on record, key by key. What stands in files that people write is shown, and left to them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRemoteSetCommand(), newRemoteGetCommand(), newRemoteRemoveCommand(), newRemoteTestCommand(), newClientCertificateCommand())
	return cmd
}

// remoteChange is what a `remote` command has changed.
type remoteChange struct {
	Changed bool            `json:"changed"` // what is in force
	Changes []config.Change `json:"changes"`
	Written bool            `json:"written"` // the drop-in is another one, if only because it now says itself what was so already
}

// edition is a drop-in about to be replaced, or removed.
type edition struct {
	cmd    *cobra.Command
	dropIn *config.DropIn
	old    []byte // nil: it was not there
}

// alone makes a change while nobody else makes one by command: what he writes meanwhile
// would be lost.
func alone(cmd *cobra.Command, change func() (*remoteChange, error)) (*remoteChange, error) {
	held, err := lockRemote(cmd)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	return change()
}

// takeUp reads what is there now.
func takeUp(cmd *cobra.Command, d *config.DropIn) (*edition, error) {
	old, err := os.ReadFile(d.Path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the drop-in: %w", err)
	}
	return &edition{cmd, d, old}, nil
}

// put makes text the drop-in, nil removes it: nothing is written before the whole
// configuration was found valid with it, and what run refuses is put back.
func (e *edition) put(text []byte) (*remoteChange, error) {
	file := configFile(e.cmd)
	before, _ := config.Load(file)
	next, err := config.LoadWith(file, e.dropIn.Path, text)
	if err != nil {
		return nil, err
	}
	change := &remoteChange{Changes: config.Changes(before.Effective(), next.Effective())}
	change.Changed = len(change.Changes) > 0 || (text == nil) != (e.old == nil)
	change.Written = change.Changed || !bytes.Equal(text, e.old)
	for _, w := range next.Warnings {
		if w.At.File == e.dropIn.Path {
			writeProblem(e.cmd.ErrOrStderr(), "warning", w)
		}
	}
	if !change.Written {
		return change, nil
	}
	if err := e.write(text); err != nil {
		return nil, err
	}
	if err := e.reload(next); err != nil {
		return nil, errors.Join(err, e.write(e.old))
	}
	return change, nil
}

// write replaces the file: when we die here it is the old one or the new one, whole.
func (e *edition) write(text []byte) error {
	dir, err := durable.OpenDir(filepath.Dir(e.dropIn.Path), 0o755, -1)
	if err != nil {
		return fmt.Errorf("change the drop-in: %w", err)
	}
	defer dir.Close()
	name := filepath.Base(e.dropIn.Path)
	if text == nil {
		err = durable.Remove(dir, name)
	} else {
		err = durable.Create(dir, name, text, 0o644, -1)
	}
	if err != nil {
		return fmt.Errorf("change the drop-in: %w", err)
	}
	return nil
}

// reload has run take the files over, where it runs.
func (e *edition) reload(c *config.Config) error {
	limited, cancel := context.WithTimeout(e.cmd.Context(), reloadWait)
	defer cancel()
	err := question{what: askReload}.put(limited, c, new([]config.Change))
	if errors.Is(err, control.ErrNotRunning) {
		fmt.Fprintln(e.cmd.ErrOrStderr(), "run is not running: it reads this at its next start")
		return nil
	}
	return err
}

// say prints what has changed.
func (c *remoteChange) say(cmd *cobra.Command, what string, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		if c.Changes == nil {
			c.Changes = []config.Change{}
		}
		return json.NewEncoder(out).Encode(c)
	}
	if !c.Changed {
		fmt.Fprintf(out, "%s: unchanged\n", terminal.Safe(what))
		if c.Written {
			fmt.Fprintln(out, "  its drop-in is written anew; what is in force is the same as before")
		}
		return nil
	}
	fmt.Fprintf(out, "%s: changed\n", terminal.Safe(what))
	for _, change := range c.Changes {
		fmt.Fprintf(out, "  %s: %s -> %s\n", terminal.Safe(strings.TrimPrefix(change.Key, "remote-logging-server["+what+"].")), orNone(change.Old), orNone(change.New))
	}
	return nil
}

// serverDropIn is a server's drop-in as it is, unless the server stands in another file,
// or something else in that, which is not ours to change.
func serverDropIn(cmd *cobra.Command, name string) (*config.DropIn, error) {
	d, err := config.ServerDropIn(configFile(cmd), name)
	if err != nil || d.Server() != nil {
		return d, err
	}
	if d.Tables != nil {
		return nil, withHint(fmt.Errorf("%s holds what a person wrote", d.Path), "move that to another file of conf.d")
	}
	c, _ := config.Load(configFile(cmd))
	for i := range c.Servers {
		if c.Servers[i].Name == name {
			return nil, withHint(fmt.Errorf("%q stands in a file that a person wrote", name), "change it there, then `auditbridge reload`; `auditbridge check -v` says where")
		}
	}
	return d, nil
}
