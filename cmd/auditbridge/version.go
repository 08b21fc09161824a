package main

import (
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set at link time by the Makefile (git describe).
var version = ""

// build is what `version` tells and what DAEMON_START records.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	FIPS    bool   `json:"fips140"`                  // whether Go's FIPS 140-3 module is in force
	Module  string `json:"fips140_module,omitempty"` // its version when it is; "latest" is Go's own, of which no certificate speaks
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, FIPS: fips140.Enabled()}
	if b.Version == "" {
		if info, ok := debug.ReadBuildInfo(); ok {
			b.Version = info.Main.Version
		}
	}
	if b.FIPS {
		b.Module = fips140.Version()
	}
	return b
}

func (b build) text() string {
	fips := "off"
	if b.FIPS {
		fips = "on, module " + b.Module
	}
	return fmt.Sprintf("auditbridge %s, Linux audit bridge and secure remote audit shipper\n%s %s/%s, FIPS 140-3 mode %s\n",
		b.Version, b.Go, b.OS, b.Arch, fips)
}

func newVersionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, Go and FIPS state",
		Args:  cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b := thisBuild()
		if *asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
		}
		_, err := io.WriteString(cmd.OutOrStdout(), b.text())
		return err
	}
	return cmd
}
