package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func manyRules() string {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S getpgid -F a0=%d -F auid>=1000 -F key=bench-%d\n", i, i)
	}
	return text.String()
}

// BenchmarkDesire reads 500 rules and works out what becomes of them.
func BenchmarkDesire(b *testing.B) {
	text, host := manyRules(), testHost()
	for b.Loop() {
		f, err := Parse("bench", text, host)
		if err != nil {
			b.Fatal(err)
		}
		d := f.Desire()
		plan(nil, d.withExemptions(nil))
		plan(d.Rules, d.Rules)
	}
}

// BenchmarkRecord writes 500 rules down.
func BenchmarkRecord(b *testing.B) {
	host := testHost()
	f, err := Parse("bench", manyRules(), host)
	if err != nil {
		b.Fatal(err)
	}
	d := f.Desire()
	for b.Loop() {
		d.Record(host, nil, time.Time{})
	}
}
