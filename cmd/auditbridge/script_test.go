package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"auditbridge/diskguard"
	"auditbridge/internal/peertest"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	peertest.OwnMounts()
	if _, test := diskguard.Protected(); !test {
		panic("this program is not known to be a test: it could halt the machine")
	}
	watchRoot = os.Getenv(watchRootVariable)
	if os.Getenv(unseeingVariable) != "" {
		settle = time.Hour
	}
	waitTogether()
	testscript.Main(m, map[string]func(){
		"auditbridge": func() {
			answerWait = peertest.Patience // a machine may be that busy
			os.Exit(run())
		},
		"confined":     tryConfined,
		"confined-run": tryConfinedRun,
		"no-seccomp":   withoutSeccomp,
		"makecalls":    makeCalls,
		"actor":        doActions,
		"intruder":     tryAsIntruder,
		"forger":       forge,
		"guest":        beGuest,
	})
}

// unseeingVariable, in the environment of this test binary, has run notice no changed
// file by itself.
const unseeingVariable = "AUDITBRIDGE_TEST_UNSEEING"

// unseeing has run look at its files when somebody asks for it, and not before that:
// however long a command takes to ask, it is the one that is on record.
func (d *instance) unseeing() {
	as := d.as
	d.as = func(cmd *exec.Cmd) {
		if as != nil {
			as(cmd)
		}
		if cmd.Env == nil {
			cmd.Env = os.Environ()
		}
		cmd.Env = append(cmd.Env, unseeingVariable+"=1")
	}
}

// TestScripts runs testdata/*.txtar: the program as a person or a script meets
// it at the command line.
func TestScripts(t *testing.T) {
	beside(t)
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: false})
}
