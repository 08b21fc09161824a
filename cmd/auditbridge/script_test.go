package main

import (
	"os"
	"testing"

	"auditbridge/diskguard"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if _, test := diskguard.Protected(); !test {
		panic("this program is not known to be a test: it could halt the machine")
	}
	watchRoot = os.Getenv(watchRootVariable)
	waitTogether()
	testscript.Main(m, map[string]func(){
		"auditbridge":  func() { os.Exit(run()) },
		"confined":     tryConfined,
		"confined-run": tryConfinedRun,
		"no-seccomp":   withoutSeccomp,
		"makecalls":    makeCalls,
		"actor":        doActions,
		"intruder":     tryAsIntruder,
		"forger":       forge,
	})
}

// TestScripts runs testdata/*.txtar: the program as a person or a script meets
// it at the command line.
func TestScripts(t *testing.T) {
	beside(t)
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: false})
}
