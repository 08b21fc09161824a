package main

import (
	"flag"
	"testing"
)

// seats is how many tests are at work at once beside the one that has the kernel's
// audit. Most of a test's time is spent waiting for a process, so a few more than
// there are processors; each may have a dozen processes.
var seats = make(chan struct{}, 5)

// beside has the test go on beside the others as soon as a seat is free. A test on the
// kernel needs none: it calls t.Parallel, and audittest.Kernel has those wait for each
// other.
func beside(t *testing.T) {
	t.Helper()
	t.Parallel()
	seats <- struct{}{}
	t.Cleanup(func() { <-seats })
}

// waitTogether lets every test begin that waits for a seat or for the kernel: testing's
// own bound counts those that wait, too. One that is given by hand holds.
func waitTogether() { flag.Set("test.parallel", "1000") }
