package rules

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkDesire reads 500 rules and works out what becomes of them.
func BenchmarkDesire(b *testing.B) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S getpgid -F a0=%d -F auid>=1000 -F key=bench-%d\n", i, i)
	}
	host := testHost()
	for b.Loop() {
		f, err := Parse("bench", text.String(), host)
		if err != nil {
			b.Fatal(err)
		}
		d := f.Desire()
		plan(nil, d.withExemptions(nil))
		plan(d.Rules, d.Rules)
	}
}
