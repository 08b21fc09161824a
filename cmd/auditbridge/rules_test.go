package main

import (
	"testing"

	"auditbridge/internal/audittest"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRulesOfTheKernel runs testdata/rules/*.txtar, one after the other, with
// kernel audit reserved.
func TestRulesOfTheKernel(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/rules"})
}
