package auditbridge

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What auditd did not hand over is told by the serials of its own host's records;
// auditd numbers its own itself.
func TestWhatAuditdDidNotHandOver(t *testing.T) {
	const user, daemon = "type=USER msg=audit(1.000:%d): x", "type=DAEMON_CONFIG msg=audit(1.000:%d): op=x"
	for _, row := range []struct {
		name  string
		after uint32 // the last that is stored; 0: not known
		lines []string
		want  Holes
	}{
		{"nothing is missing", 0, []string{fmt.Sprintf(user, 7), fmt.Sprintf(user, 9), fmt.Sprintf(user, 8), fmt.Sprintf(user, 8)}, Holes{}},
		{"some are", 0, []string{fmt.Sprintf(user, 7), fmt.Sprintf(user, 11), fmt.Sprintf(user, 9)}, Holes{2, 8, 10}},
		{"since another process ended", 5, []string{fmt.Sprintf(user, 9), fmt.Sprintf(user, 10)}, Holes{3, 6, 8}},
		{"after another process, nothing", 5, []string{fmt.Sprintf(user, 6)}, Holes{}},
		{"auditd's own", 0, []string{fmt.Sprintf(user, 7), fmt.Sprintf(daemon, 4711), fmt.Sprintf(user, 8)}, Holes{}},
		{"another host's", 0, []string{"node=a " + fmt.Sprintf(user, 7), "node=b " + fmt.Sprintf(user, 90), "node=a " + fmt.Sprintf(user, 8)}, Holes{}},
		{"what is no record", 0, []string{fmt.Sprintf(user, 7), "hello", fmt.Sprintf(user, 8)}, Holes{}},
	} {
		var b dispatchBook
		if row.after > 0 {
			b.Expect(row.after)
		}
		for _, line := range row.lines {
			b.note([]byte(line))
		}
		b.end()
		got, err := b.Unheard(time.Now())
		if row.after > 0 {
			got.New = got.Away
		}
		if err != nil || got.New != row.want || got.Missing != row.want.Missing {
			t.Errorf("%s: %+v, want %+v\n%s", row.name, got, row.want, strings.Join(row.lines, "\n"))
		}
	}
}
