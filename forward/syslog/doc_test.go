package syslog

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"auditbridge/auditbridge"
)

func page(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/format/rfc5424.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Every parameter stands in docs/format/rfc5424.md, and every one there exists.
func TestParametersAreDocumented(t *testing.T) {
	page, rows := page(t), 0
	kebab := regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	check := func(name, row string) {
		if !strings.Contains(page, row) {
			t.Errorf("docs/format/rfc5424.md lacks %s", row)
		}
		if !kebab.MatchString(name) {
			t.Errorf("%q is not kebab-case of at most 32 characters", name)
		}
		rows++
	}
	for _, p := range eventParams {
		check(p.name, fmt.Sprintf("\n| %s | %s |", p.name, p.meaning))
	}
	for _, p := range append(stampedParams, claimedParams...) {
		meaning := p.meaning
		if p.repeats {
			meaning += " (repeats)"
		}
		check(p.name, fmt.Sprintf("\n| %s | `%s` | %s |", p.name, p.key, meaning))
	}
	_, tables, _ := strings.Cut(page, "## Parameters of every message")
	if documented := len(regexp.MustCompile(`(?m)^\| [a-z]`).FindAllString(tables, -1)); documented != rows {
		t.Errorf("%d parameters are documented, %d exist", documented, rows)
	}
}

// What messages really hold is documented, whatever the tables say.
func TestNothingUndocumentedIsSent(t *testing.T) {
	page, oracle := page(t), rfc5424.NewParser()
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			parsed := parse(t, oracle, New(testConfig).AppendEvent(nil, e, v))
			if !strings.Contains(page, "\n| "+*parsed.MsgID+" | ") {
				t.Errorf("MSGID %s is not documented", *parsed.MsgID)
			}
			for param := range (*parsed.StructuredData)[testConfig.SDID] {
				if !strings.Contains(page, "\n| "+param+" | ") {
					t.Errorf("PARAM-NAME %s is not documented", param)
				}
			}
		})
	}
}

func TestFormatsAllocateNothing(t *testing.T) {
	format := New(testConfig)
	dst := make([]byte, 0, 256<<10)
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			n := testing.AllocsPerRun(10, func() {
				dst = format.AppendEvent(dst[:0], e, v)
				for i := range e.Records {
					dst = format.AppendRecord(dst, &e.Records[i], v)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations for %s", n, e.Records[0].Line)
			}
		})
	}
}

func benchmark(b *testing.B, write func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte) {
	dst := make([]byte, 0, 256<<10)
	b.ReportAllocs()
	messages(sample(b, "sshd.log")[:400], func(e *auditbridge.Event, v *auditbridge.Verdict) {
		if e.First == 1 {
			for b.Loop() {
				dst = write(dst[:0], e, v)
			}
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) { benchmark(b, New(testConfig).AppendEvent) }

func BenchmarkAppendRecord(b *testing.B) {
	format := New(testConfig)
	benchmark(b, func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
		return format.AppendRecord(dst, &e.Records[0], v)
	})
}

// The event's own words of an RFC 3164 message stand in its page, and no others.
func TestWordsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/rfc3164.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = false
	}
	b := NewBSD(testConfig, sender)
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			for _, w := range readBSD(t, packets(b.AppendEvent(nil, e, v))).words {
				if w.key == "type" || w.key == "line" {
					return
				}
				if _, ok := documented[w.key]; !ok {
					t.Errorf("the word %s is not documented", w.key)
				}
				documented[w.key] = true
			}
		})
	}
	for key, said := range documented {
		if !said {
			t.Errorf("%s is documented, and no message has it", key)
		}
	}
}
