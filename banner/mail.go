package banner

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/internal/terminal"
)

const (
	mailer   = "/usr/sbin/sendmail"
	mailTime = 30 * time.Second
)

// CheckAddress says why to is no address to send a mail to: a name on this host,
// or name@host.
func CheckAddress(to string) error {
	name, host, _ := strings.Cut(to, "@")
	for _, r := range name + host {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-", r)) {
			return fmt.Errorf("%q is no mail address", to)
		}
	}
	if name == "" || name[0] == '-' || strings.HasSuffix(to, "@") {
		return fmt.Errorf("%q is no mail address", to)
	}
	return nil
}

// Mail hands a mail to the host's mailer, as auditd's action email does.
func Mail(ctx context.Context, to, subject, text string) error {
	program, err := filepath.EvalSymlinks(mailer) // distributions let several mailers have that name
	if err != nil {
		return fmt.Errorf("mail %s: %w", to, err)
	}
	return mailBy(ctx, program, to, subject, text)
}

func mailBy(ctx context.Context, program, to, subject, text string) error {
	if err := CheckAddress(to); err != nil {
		return err
	}
	return runProgram(ctx, letter(to, subject, text), mailTime, program, "-i", "--", to)
}

// letter is the mail as the mailer takes it: headers cannot be forged by what is
// said in it.
func letter(to, subject, text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "To: %s\nSubject: %s\n", to, mime.QEncoding.Encode("utf-8", terminal.Safe(subject)))
	b.WriteString("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n")
	b.WriteString(terminal.SafeLines(strings.TrimSuffix(text, "\n")) + "\n")
	return b.Bytes()
}
