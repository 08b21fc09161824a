package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/diskguard"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what was found as what is wanted")

// TestMessages holds every file in testdata to the problems, hints and
// warnings written down in it. "want" stands alone: nothing else is said.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var sources []source
			var values []string
			want := &txtar.File{}
			for i := range archive.Files {
				switch f := &archive.Files[i]; f.Name {
				case "want":
					want = f
				case "values":
					values = strings.Fields(string(f.Data))
				default:
					sources = append(sources, source{f.Name, f.Data})
				}
			}
			got := tell(sources, values)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// tell is what check says of the files, then the values of some keys.
func tell(sources []source, keys []string) string {
	c, problems := parse(sources)
	var b strings.Builder
	say := func(kind string, all []Problem) {
		for _, p := range all {
			b.WriteString(kind + ": " + p.Error() + "\n")
			if p.Hint != "" {
				b.WriteString("  hint: " + p.Hint + "\n")
			}
		}
	}
	say("error", problems)
	say("warning", c.Warnings)
	for _, key := range keys {
		found := false
		for _, v := range c.Effective() {
			if v.Key == key {
				found = true
				b.WriteString(v.Key + " = " + v.Value + "  # " + v.Origin + "\n")
			}
		}
		if !found {
			b.WriteString(key + ": no such key\n")
		}
	}
	return b.String()
}

func TestEveryDefaultDecodes(t *testing.T) {
	c, problems := parse([]source{{"a.toml", []byte("node = \"n\"\n[[remote-logging-server]]\naddress = \"10.0.0.1\"\nprotocol = \"tcp\"\n[[remote-logging-server.filter]]\n[[port-forwarding]]\nserver-address = \"10.0.0.2\"\n")}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := c.Audit.Retention.String() + " " + c.Audit.MaxSize.String(); got != "180d 10GiB" {
		t.Error("retention and max-size are", got)
	}
	if p := c.Servers[0].Port; p != 514 {
		t.Error("port of tcp is", p)
	}
}

// What check finds valid compiles to Configs that every package takes.
func TestTheConfigsOfThePackages(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/seed-tunnel.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c, problems := parse([]source{{"auditbridge.toml", archive.Files[0].Data}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if problems := c.validate(); len(problems) > 0 {
		t.Error(problems)
	}
	d, tun := c.Destinations()[0], c.Tunnels()[0]
	if d.Address != "127.0.0.1" || d.Port != 9999 || d.Via != tun.Name || d.Node != "test1.combo1" {
		t.Errorf("destination %+v", d)
	}
	if tun.ServerAddress != "172.18.4.99" || tun.ServerPort != 22 || tun.RemotePort != 9999 || tun.LocalPort != 7777 {
		t.Errorf("tunnel %+v", tun)
	}
	if j, err := c.Journal(); err != nil || j.Retention != 24*time.Hour || j.GroupID != -1 {
		t.Errorf("journal %+v, %v", j, err)
	}
	if g := c.Disk(); g.DiskFullAction != diskguard.Halt || g.SpaceLeft.Of(10<<30) != 10<<30/4 {
		t.Errorf("diskguard %+v", g)
	}
}

// The sample configuration is valid as it is, and with all it shows switched on.
// A followed log may be another host's: its people do not get the names of ours.
func TestWhoseAccountsAreRecorded(t *testing.T) {
	for _, row := range []struct {
		word, source string
		want         bool
	}{
		{"auto", "kernel", true},
		{"auto", "multicast", true},
		{"auto", "plugin", true},
		{"auto", "file:/var/log/audit/audit.log", true},
		{"auto", "file:/srv/web1/audit.log", false},
		{"auto", "file:/var/log/audit/../web1/audit.log", false},
		{"auto", "journal:/srv/web1", false},
		{"always", "file:/srv/web1/audit.log", true},
		{"never", "kernel", false},
	} {
		var s Settings
		s.Audit.RecordAccounts, s.Audit.Source = row.word, row.source
		if got := s.RecordsAccounts(); got != row.want {
			t.Errorf("%s of %s: %v, want %v", row.word, row.source, got, row.want)
		}
	}
}

func TestSampleConfiguration(t *testing.T) {
	sample, err := os.ReadFile("../packaging/auditbridge.toml")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^# (\[|[a-z.-]+ *= )`).ReplaceAll(sample, []byte("$1"))
	for name, data := range map[string][]byte{"as it is": sample, "all switched on": shown} {
		c, problems := parse([]source{{"auditbridge.toml", data}})
		if len(problems) > 0 {
			t.Error(name, problems)
		}
		if name == "as it is" {
			continue
		}
		if len(c.Servers) != 3 || c.Servers[0].Via != "siem-tunnel" || c.Servers[1].Protocol != "https" || c.Servers[2].Protocol != "tls" {
			t.Errorf("the sample's servers go through its tunnel, by HTTPS and in TLS: %+v", c.Servers)
		}
		for _, v := range c.Effective() {
			if v.Default != "" && v.Default != strings.Trim(v.Value, `"`) && v.Default != strings.Trim(v.Value, `[]"`) && !strings.Contains(v.Key, "[") {
				t.Errorf("%s: the sample shows %s, the default is %s", v.Key, v.Value, v.Default)
			}
		}
	}
}

func TestNobodyElseMayHaveWrittenTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("node = \"n\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link.toml")
	if err := os.Symlink(write("target.toml", 0o600), link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo.toml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := write("foreign.toml", 0o600)
	if err := os.Chown(foreign, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, path, want string }{
		{"readable by all", write("ok.toml", 0o644), ""},
		{"writable by group", write("group.toml", 0o620), "is writable by group or others (mode 0620)"},
		{"writable by others", write("others.toml", 0o602), "is writable by group or others (mode 0602)"},
		{"a link", link, "is a symbolic link"},
		{"another's", foreign, "belongs to uid 65534"},
		{"a directory", dir, "is not a regular file"},
		{"a FIFO that nobody writes to", fifo, "is not a regular file"},
		{"absent", filepath.Join(dir, "absent.toml"), "no such configuration file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, problems := read(row.path)
			switch {
			case row.want == "" && len(problems) > 0:
				t.Error(problems)
			case row.want != "" && !strings.Contains(problems.Error(), row.want):
				t.Errorf("got %q, want %q in it", problems.Error(), row.want)
			}
		})
	}
}

// Drop-ins are read in the order of their names; what cannot be read is never
// left out in silence.
func TestDropIns(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "auditbridge.toml")
	write("auditbridge.toml", "node = \"n\"\n")
	if _, problems := read(main); len(problems) > 0 {
		t.Error("without conf.d:", problems)
	}
	write("conf.d/20.toml", "flush = \"data\"\n")
	write("conf.d/10.toml", "router = \"r\"\n")
	write("conf.d/30.toml.bak", "not = read\n")
	write("conf.d/.40.toml", "not = read\n")
	sources, problems := read(main)
	var names []string
	for _, s := range sources {
		names = append(names, filepath.Base(s.name))
	}
	if got := strings.Join(names, " "); got != "auditbridge.toml 10.toml 20.toml" || len(problems) > 0 {
		t.Error(got, problems)
	}
	if err := os.RemoveAll(filepath.Join(dir, "conf.d")); err != nil {
		t.Fatal(err)
	}
	write("conf.d", "a file")
	if _, problems := read(main); len(problems) != 1 || !strings.Contains(problems.Error(), "conf.d: cannot read the configuration: ") {
		t.Error("conf.d that is no directory:", problems)
	}
}

func TestADirectoryThatOthersMayWriteIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	err := checkPath(filepath.Join(dir, "a.toml"))
	if err == nil || !strings.Contains(err.Error(), "writable by group or others (mode 0777)") {
		t.Error("got", err)
	}
}

// FuzzParse: whatever the bytes, there is an answer, it is the same each time,
// and it speaks of a line that exists.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if strings.HasSuffix(part.Name, ".toml") {
				f.Add(part.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, problems := parse([]source{{"a.toml", data}})
		second, again := parse([]source{{"a.toml", data}})
		if diff := cmp.Diff(first.Effective(), second.Effective()); diff != "" || problems.Error() != again.Error() {
			t.Error("two readings differ", diff)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.At.Line > lines {
				t.Errorf("%s: the file has %d lines", p.Error(), lines)
			}
		}
	})
}
