package banner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/internal/durable"
	"auditbridge/internal/terminal"
)

// Places are the files in which those find a message who are not at a terminal
// now: whoever logs in next, and shells that are open already.
type Places struct {
	Root   string // "" but in tests; in front of every path but RunDir
	RunDir string // ours, readable for everybody

	SSHD     bool   // keep RunDir/issue.net, for sshd's Banner
	SSHDText string // the site's own text, which comes first there; "" for none
}

const (
	bannerFile  = "banner"    // in RunDir, for shells: the profile snippet reads it
	issueFile   = "issue"     // in RunDir
	sshdFile    = "issue.net" // in RunDir
	motdDir     = "/run/motd.d"
	motdFile    = "00-auditbridge" // pam_motd(8) shows it at every login
	issueDir    = "/etc/issue.d"
	issueLink   = "00-auditbridge.issue" // agetty(8) shows it in front of the prompt
	agettyFile  = "/run/agetty.reload"   // agetty shows its issue anew when this is touched
	maxSiteText = 64 << 10
)

// Show leaves text in all places, in place of what was there. The site's own text
// stands in front of it for sshd. What would do more than show itself is made
// harmless. Each place is tried, whatever comes of the others.
func (p *Places) Show(text string) error {
	safe := placed(text)
	return errors.Join(
		put(p.RunDir, bannerFile, safe),
		put(p.Root+motdDir, motdFile, safe),
		p.showIssue(safe),
		p.showSSHD("\n"+safe),
	)
}

// Clear takes all of it away. sshd's file then holds the site's own text alone.
func (p *Places) Clear() error {
	err := errors.Join(
		remove(p.RunDir, bannerFile),
		remove(p.Root+motdDir, motdFile),
		remove(p.Root+issueDir, issueLink),
		remove(p.RunDir, issueFile),
		p.showSSHD(""),
	)
	p.promptAnew()
	return err
}

// Remove takes away everything there may be, whatever the configuration says now.
func (p *Places) Remove() error {
	off := *p
	off.SSHD = false
	return off.Clear()
}

// Leave puts text where the next login and open shells find it, unless there is a
// message already: for when nobody is there to Show it.
func (p *Places) Leave(text string) error {
	safe := placed(text)
	return errors.Join(leave(p.RunDir, bannerFile, safe), leave(p.Root+motdDir, motdFile, safe))
}

// Retract takes away the text that Leave left, and no other.
func (p *Places) Retract(text string) error {
	safe := placed(text)
	return errors.Join(retract(p.RunDir, bannerFile, safe), retract(p.Root+motdDir, motdFile, safe))
}

// placed is text as it stands in a file: what would do more than show itself is made
// harmless.
func placed(text string) string { return terminal.SafeLines(strings.TrimSuffix(text, "\n")) + "\n" }

func leave(dir, name, text string) error {
	if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		return nil
	}
	return put(dir, name, text)
}

func retract(dir, name, text string) error {
	d, err := durable.OpenDir(dir, 0, -1)
	if err == nil {
		defer d.Close()
		var now []byte
		if now, err = durable.Read(d, name, int64(len(text))); err == nil && string(now) == text {
			err = d.Remove(name)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take a message away: %w", err)
	}
	return nil
}

// showIssue has the text in RunDir, which does not survive a reboot, and only a
// link to it in /etc, which does.
func (p *Places) showIssue(text string) error {
	// agetty takes a backslash for the beginning of an escape of its own.
	err := put(p.RunDir, issueFile, strings.ReplaceAll(text, `\`, `\\`))
	if err != nil {
		return err
	}
	dir, err := durable.OpenDir(p.Root+issueDir, 0o755, -1)
	if err != nil {
		return fmt.Errorf("show a message in front of logins: %w", err)
	}
	defer dir.Close()
	target := filepath.Join(p.RunDir, issueFile)
	if now, err := dir.Readlink(issueLink); err != nil || now != target {
		if err := errors.Join(durable.Remove(dir, issueLink), dir.Symlink(target, issueLink)); err != nil {
			return fmt.Errorf("show a message in front of logins: %w", err)
		}
	}
	p.promptAnew()
	return nil
}

// promptAnew has waiting logins show what there is now, as agetty --reload does.
func (p *Places) promptAnew() {
	now := time.Now()
	os.Chtimes(p.Root+agettyFile, now, now) // nobody waits where it is not there
}

func (p *Places) showSSHD(more string) error {
	if !p.SSHD {
		return remove(p.RunDir, sshdFile)
	}
	own, err := p.siteText()
	return errors.Join(err, put(p.RunDir, sshdFile, own+more))
}

// siteText is the site's own text as it stands: what it shows is its business.
func (p *Places) siteText() (string, error) {
	if p.SSHDText == "" {
		return "", nil
	}
	f, err := durable.OpenRegular(behindOurLink(p.Root + p.SSHDText))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the site's own text for sshd: %w", err)
	}
	defer f.Close()
	text := make([]byte, maxSiteText)
	n, _ := f.ReadAt(text, 0)
	return string(text[:n]), nil
}

// behindOurLink is where path leads if it is a link in a directory of root's, as
// some distributions have it; whatever else it is it stays.
func behindOurLink(path string) string {
	dir, err := durable.OpenDir(filepath.Dir(path), 0, -1)
	if err != nil {
		return path
	}
	dir.Close()
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

func put(dir, name, text string) error {
	d, err := durable.OpenDir(dir, 0o755, -1)
	if err == nil {
		err = durable.Create(d, name, []byte(text), 0o644, -1)
		d.Close()
	}
	if err != nil {
		return fmt.Errorf("show a message: %w", err)
	}
	return nil
}

func remove(dir, name string) error {
	d, err := durable.OpenDir(dir, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = d.Remove(name)
		d.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take a message away: %w", err)
	}
	return nil
}
