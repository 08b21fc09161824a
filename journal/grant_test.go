package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who may read is what is configured at this start, whatever it was when the
// files were made; what is not ours is left alone.
func TestAStartGrantsWhatIsConfigured(t *testing.T) {
	const gid = 4712
	for _, row := range []struct {
		name      string
		before    int // GroupID when the journal was made
		now       int
		prepare   func(cfg Config)
		dir, file string // mode and group afterwards
	}{
		{"a group comes", -1, gid, nil, "-rwxr-x--- 4712", "-rw-r----- 4712"},
		{"another group comes", 4711, gid, nil, "-rwxr-x--- 4712", "-rw-r----- 4712"},
		{"the group goes", gid, -1, nil, "-rwx------", "-rw-------"},
		{"modes were changed", gid, gid, func(cfg Config) {
			os.Chmod(cfg.Dir, 0o755)
			os.Chmod(filepath.Join(cfg.Dir, markName), 0o604)
		}, "-rwxr-x--- 4712", "-rw-r----- 4712"},
		{"the directory is others' too", -1, gid, func(cfg Config) {
			os.Chmod(cfg.Dir, 0o755)
			os.WriteFile(filepath.Join(cfg.Dir, "syslog"), nil, 0o600)
		}, "-rwxr-xr-x 0", "-rw-r----- 4712"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.SegmentSize, cfg.GroupID = 50<<10, row.before
			smallJournal(t, cfg, 500)
			os.Mkdir(filepath.Join(cfg.Dir, quarantineName), 0o700)
			os.WriteFile(filepath.Join(cfg.Dir, quarantineName, "1-2"), nil, 0o600)
			if row.prepare != nil {
				row.prepare(cfg)
			}
			cfg.GroupID = row.now
			j := mustOpen(t, cfg, newMemRing())
			defer j.Close()
			if got := permissions(t, cfg.Dir); !strings.HasPrefix(got, row.dir) {
				t.Errorf("the directory is %s, want %s", got, row.dir)
			}
			files, _ := filepath.Glob(cfg.Dir + "/*.log")
			if len(files) < 3 {
				t.Fatalf("%d segments", len(files))
			}
			for _, file := range append(files, cfg.Dir+"/mark", cfg.Dir+"/next", cfg.Dir+"/quarantine/1-2") {
				if strings.HasSuffix(file, linkName) {
					continue
				}
				if got := permissions(t, file); !strings.HasPrefix(got, row.file) {
					t.Errorf("%s is %s, want %s", filepath.Base(file), got, row.file)
				}
			}
			if got := permissions(t, cfg.StateDir); !strings.HasPrefix(got, "-rwx------") {
				t.Errorf("state-dir is %s", got)
			}
		})
	}
}

func permissions(t *testing.T, path string) string {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(st.Mode().Perm(), " ", st.Sys().(*syscall.Stat_t).Gid)
}

// A log of auditd's that has the name of one of our links is not touched.
func TestALinkNeverReplacesAFile(t *testing.T) {
	cfg := testConfig(t)
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"audit.log", "audit.log.1", "audit.log.4"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte("evidence\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := mustOpen(t, cfg, newMemRing())
	defer j.Close()
	for _, name := range []string{"audit.log", "audit.log.1", "audit.log.4"} {
		if got, err := os.ReadFile(filepath.Join(cfg.Dir, name)); string(got) != "evidence\n" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}
