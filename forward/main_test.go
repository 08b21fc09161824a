package forward

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets the tests with real peers run side by side whatever the number
// of cores: what they do is wait, most of the time for the five seconds.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16")
	os.Exit(m.Run())
}
