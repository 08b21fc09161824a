package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a command calls a key is one key's alone, says what it is for, and is none of
// the command's other words.
func TestServerKeysAreToldApart(t *testing.T) {
	taken := map[string]bool{"config": true, "help": true, "json": true, "unset": true, "no-encryption": true, "use-udp": true}
	for _, k := range ServerKeys() {
		if taken[k.Flag] {
			t.Errorf("there are two of --%s", k.Flag)
		}
		taken[k.Flag] = true
		if k.Usage == "" || strings.Count(k.Usage, "`")%2 != 0 {
			t.Errorf("%s: its usage is %q", k.Name, k.Usage)
		}
		found, err := FindServerKey(k.Name)
		if err != nil || found.Name != k.Name {
			t.Errorf("%s is found as %q: %v", k.Name, found.Name, err)
		}
	}
	if n := reflect.TypeFor[Server]().NumField() - 1; len(ServerKeys()) != n {
		t.Errorf("%d keys, and a server has %d", len(ServerKeys()), n)
	}
	if _, err := FindServerKey("facilty"); err == nil || !strings.Contains(err.Error(), "nearest key: facility") {
		t.Error(err)
	}
}

// What is shown of a key is what it is set by; what has no form that it could have is
// refused, and what is empty, or holds anyway, is left out.
func TestServerValuesAreShownAsTheyAreSet(t *testing.T) {
	for _, row := range []struct {
		key   string
		texts []string
		value any // nil: left out
		wrong string
	}{
		{"address", []string{"log.example.org"}, "log.example.org", ""},
		{"address", []string{"a", "b"}, nil, "it has one value, and there are 2"},
		{"port", []string{"6514"}, int64(6514), ""},
		{"port", []string{"0"}, nil, "is not a port"},
		{"port", []string{"syslog"}, nil, "is not a port"},
		{"facility", []string{""}, nil, ""},
		{"tls", []string{"true"}, true, ""},
		{"tls", []string{"false"}, nil, ""},
		{"tls", []string{"yes"}, nil, "is not true or false"},
		{"catch-up-rate", []string{"2MiB"}, "2MiB", ""},
		{"include", []string{"login, alarm", "system"}, []string{"login", "alarm", "system"}, ""},
		{"include", []string{""}, nil, ""},
		{"filter", []string{"facility=auth severity=info"}, []any{map[string]any{"facility": "auth", "severity": "info"}}, ""},
		{"filter", []string{"facility=auth,severity=info", "match=^<38>1 .* acct=, severity=x "}, []any{map[string]any{"facility": "auth", "severity": "info"}, map[string]any{"match": "^<38>1 .* acct=, severity=x "}}, ""},
		{"filter", []string{"match="}, []any{map[string]any{"match": ""}}, ""},
		{"filter", []string{"facility=kern facility=auth"}, nil, "has two of facility"},
		{"filter", []string{"level=info"}, nil, `there is no "level"`},
		{"filter", []string{"auth.info"}, nil, "is not such as"},
		{"filter", []string{" , "}, nil, "a filter is empty"},
	} {
		k, err := FindServerKey(row.key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Parse(row.texts)
		if row.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), row.wrong) {
				t.Errorf("%s %q: %v, want %q", row.key, row.texts, err, row.wrong)
			}
			continue
		}
		if diff := cmp.Diff(row.value, got); diff != "" || err != nil {
			t.Errorf("%s %q: %v\n%s", row.key, row.texts, err, diff)
		}
		d := DropIn{}
		d.SetServer(map[string]any{"name": "siem", "address": "10.0.0.1", "protocol": "tcp", row.key: got})
		if got == nil {
			continue
		}
		text, err := d.Text()
		if err != nil {
			t.Fatal(err)
		}
		c, _ := parse([]source{{"siem.toml", text}})
		values := c.ServerValues("siem")
		i := slices.IndexFunc(values, func(v ServerValue) bool { return v.Key == row.key })
		if i < 0 || !strings.HasPrefix(values[i].Origin, "siem.toml:") {
			t.Errorf("%s %q: nothing is shown of it, or of another place: %+v", row.key, row.texts, values)
			continue
		}
		again, err := k.Parse(values[i].Texts)
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("%s %q is shown as %q: %v\n%s", row.key, row.texts, values[i].Texts, err, diff)
		}
	}
}

// The keys of one server that are shown are enough to make it again: the same is in
// force, wherever each came from.
func TestAServerIsMadeAgainOfWhatIsShown(t *testing.T) {
	const settings = `
[syslog]
format = "cef"
ca-file = "/etc/ca.pem"
certificate = "client"
[[remote-logging-server]]
name = "siem"
address = "127.0.0.1"
port = 7777
`
	const tunnel = "[[port-forwarding]]\nname = \"t\"\nserver-address = \"10.0.0.1\"\nremote-port = 99\nlocal-port = 7777\n"
	for name, more := range map[string]string{
		"udp": `protocol = "udp"`, "tcp through a tunnel": tunnel, "tls": `protocol = "tls"`, "https": "protocol = \"https\"\nformat = \"json\"", "auditd": "protocol = \"auditd\"\ntls = true",
		"filters": "protocol = \"relp\"\n[[remote-logging-server.filter]]\nfacility = \"kern\"\n[[remote-logging-server.filter]]\n",
	} {
		before, _ := parse([]source{{"a.toml", []byte(settings + more)}})
		table := map[string]any{"name": "siem"}
		for _, v := range before.ServerValues("siem") {
			k, err := FindServerKey(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			value, err := k.Parse(v.Texts)
			if err != nil {
				t.Errorf("%s: %s=%q: %v", name, v.Key, v.Texts, err)
			}
			table[v.Key] = value
		}
		maps.DeleteFunc(table, func(_ string, value any) bool { return value == nil })
		d := DropIn{}
		d.SetServer(table)
		text, err := d.Text()
		if err != nil {
			t.Fatal(err)
		}
		general := settings[:strings.Index(settings, "[[remote")]
		if strings.Contains(more, "port-forwarding") {
			general += more
		}
		after, problems := parse([]source{{"a.toml", []byte(general)}, {"b.toml", text}})
		if len(problems) > 0 {
			t.Errorf("%s: %v\n%s", name, problems, text)
		}
		if changes := Changes(before.Effective(), after.Effective()); len(changes) > 0 {
			t.Errorf("%s: %+v", name, changes)
		}
	}
}
