package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"auditbridge/config"
	"auditbridge/forward"
	"auditbridge/forward/tlslink"
	"auditbridge/internal/terminal"
	"auditbridge/internal/warning"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var verbose, asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration without touching the kernel",
		Long: "check reads the configuration and says everything that is wrong with it, and what\n" +
			"is unwise, there and in how this host is set up. It works for every user who may\n" +
			"read the files and changes nothing.\n" +
			"Exit status: 0 valid, 2 not.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := checkFile(configFile(cmd), verbose)
			write := r.writeText
			if asJSON {
				write = func(w io.Writer) error { return writeIndented(w, r) }
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if !r.Valid {
				return exitStatus(2)
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print every key with its value, default and where it was set")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// checkResult is what check has to say, as `check --json` prints it.
type checkResult struct {
	Valid        bool              `json:"valid"`
	Files        []string          `json:"files"`
	Problems     []config.Problem  `json:"problems"`
	Warnings     []config.Problem  `json:"warnings"`
	Host         []warning.Warning `json:"host"`                   // what of this host's setup makes its audit weaker, as far as can be known without the kernel
	Destinations []checkedServer   `json:"destinations,omitempty"` // when valid
	Ends         []config.End      `json:"could_end_host"`         // when valid; empty when nothing does
	Values       []config.Value    `json:"values,omitempty"`       // with -v
}

// checkedServer is what is in force for one remote-logging server.
type checkedServer struct {
	Name     string   `json:"name"`
	Protocol string   `json:"protocol"`
	Promise  string   `json:"promise"` // what delivered means there
	Address  string   `json:"address"`
	Via      string   `json:"via,omitempty"`
	Jumps    []string `json:"jumps,omitempty"` // what via is reached through, the next one to it first
	Format   string   `json:"format"`
	Include  []string `json:"include"`
	Start    string   `json:"start"`
	Verify   string   `json:"verify"` // what `auditbridge verify` can show there: "whole", "in part", "none"

	Roots []tlslink.ID `json:"roots,omitempty"`       // of those in TLS: whom they are believed by
	Own   *tlslink.ID  `json:"certificate,omitempty"` // and who we are to them
}

// checkServer is what is in force for a server; what its TLS files hold, as far as
// they can be read.
func checkServer(c *config.Config, s *config.Server) checkedServer {
	address, port := c.FarEnd(s)
	d := checkedServer{Name: s.Name, Protocol: s.Protocol, Promise: string(forward.PromiseOf(s.Protocol)), Address: fmt.Sprintf("%s port %d", address, port),
		Via: s.Via, Jumps: c.Way(s.Via), Format: s.Format, Include: s.Include, Start: s.Start, Verify: string(s.Proof())}
	if held := c.Held(s.Name); held != nil {
		d.Roots, d.Own = held.Anchors, held.Own
	}
	return d
}

// identities says in words whom a server is believed by and who we are to it.
func (d *checkedServer) identities() string {
	var words []string
	for _, root := range d.Roots {
		words = append(words, "believed by "+named(root))
	}
	if d.Own != nil {
		words = append(words, "shown "+named(*d.Own))
	}
	if len(words) == 0 {
		return ""
	}
	return "  " + d.Name + " is " + strings.Join(words, "; ")
}

func named(id tlslink.ID) string {
	return fmt.Sprintf("%s (serial %s, by %s, until %s)", id.Subject, id.Serial, id.Issuer, id.NotAfter.Format(time.DateOnly))
}

func checkFile(file string, verbose bool) *checkResult {
	c, err := config.Load(file)
	r := &checkResult{Valid: err == nil, Files: c.Files, Problems: []config.Problem{}, Warnings: c.Warnings}
	var problems config.Problems
	if errors.As(err, &problems) {
		r.Problems = problems
	}
	if r.Warnings == nil {
		r.Warnings = []config.Problem{}
	}
	if r.Host = hostWarnings(c); r.Host == nil {
		r.Host = []warning.Warning{}
	}
	if r.Valid {
		r.Ends = c.Ends()
		for i := range c.Servers {
			r.Destinations = append(r.Destinations, checkServer(c, &c.Servers[i]))
		}
	}
	if verbose {
		r.Values = c.Effective()
	}
	return r
}

func (r *checkResult) writeText(w io.Writer) error {
	for _, p := range r.Problems {
		writeProblem(w, "error", p)
	}
	for _, p := range r.Warnings {
		writeProblem(w, "warning", p)
	}
	for _, one := range r.Host {
		fmt.Fprintln(w, terminal.Safe("this host: "+one.Code+": "+one.String()))
		fmt.Fprintf(w, "  hint: %s\n", terminal.Safe(one.Remedy))
	}
	for _, d := range r.Destinations {
		way := ""
		if d.Via != "" {
			way = " through " + strings.Join(append([]string{d.Via}, d.Jumps...), " via ")
		}
		fmt.Fprintln(w, terminal.Safe(fmt.Sprintf("%s: %s (%s) to %s%s, format %s, classes %v, start %s, verifiable there: %s",
			d.Name, d.Protocol, d.Promise, d.Address, way, d.Format, d.Include, d.Start, d.Verify)))
		if words := d.identities(); words != "" {
			fmt.Fprintln(w, terminal.Safe(words))
		}
	}
	r.writeEnds(w)
	if len(r.Values) > 0 {
		if err := writeValues(w, r.Values); err != nil {
			return err
		}
	}
	if !r.Valid {
		_, err := fmt.Fprintf(w, "not valid: %s\n", count(len(r.Problems), "problem"))
		return err
	}
	_, err := fmt.Fprintf(w, "valid: %s, %s, %s\n",
		count(len(r.Files), "file"), count(len(r.Destinations), "destination"), count(len(r.Warnings), "warning"))
	return err
}

// writeEnds says what could take the host down: nobody shall find out by that.
func (r *checkResult) writeEnds(w io.Writer) {
	if !r.Valid {
		return
	}
	ends := []string{"nothing"}
	if len(r.Ends) > 0 {
		ends = nil
	}
	for _, e := range r.Ends {
		ends = append(ends, e.Key+" = "+e.Value)
	}
	fmt.Fprintln(w, "could take this host down: "+strings.Join(ends, ", "))
}

func writeValues(w io.Writer, values []config.Value) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tVALUE\tDEFAULT\tSET AT")
	for _, v := range values {
		fallback := v.Default
		if fallback == "" {
			fallback = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", terminal.Safe(v.Key), terminal.Safe(v.Value), fallback, terminal.Safe(v.Origin))
	}
	return t.Flush()
}
