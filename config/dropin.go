package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// DropIn is a file of conf.d that a command writes, and no person: one
// remote-logging server, or who we are to all of them.
type DropIn struct {
	Path string // beside the configuration's file
	// Tables are what it holds, by name: a list of tables, or one. Nil: it is not there.
	Tables map[string]any
}

// ServerDropIn is the drop-in of the remote-logging server of that name. What has no
// place in a file's name stands there as in a URL.
func ServerDropIn(file, name string) (*DropIn, error) {
	return openDropIn(file, "remote-"+url.PathEscape(name)+".toml")
}

// ClientDropIn is the drop-in of the certificate that we show to servers; no server's
// has that name.
func ClientDropIn(file string) (*DropIn, error) {
	return openDropIn(file, "client-certificate.toml")
}

func openDropIn(file, name string) (*DropIn, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	d := &DropIn{Path: filepath.Join(filepath.Dir(file), "conf.d", name)}
	text, err := os.ReadFile(d.Path)
	if os.IsNotExist(err) {
		return d, nil
	}
	if err == nil {
		err = toml.Unmarshal(text, &d.Tables)
	}
	if err != nil {
		return nil, fmt.Errorf("read the drop-in %s: %w", d.Path, err)
	}
	return d, nil
}

// Server is the table of its one server; nil when there is none, or anything beside it.
// It may be changed.
func (d *DropIn) Server() map[string]any {
	list, _ := d.Tables["remote-logging-server"].([]any)
	if len(list) != 1 || len(d.Tables) != 1 {
		return nil
	}
	table, _ := list[0].(map[string]any)
	return table
}

// SetServer makes it the drop-in of one server.
func (d *DropIn) SetServer(table map[string]any) {
	d.Tables = map[string]any{"remote-logging-server": []any{table}}
}

// SetClientCertificate makes it the drop-in of our certificate and its key, in PEM.
func (d *DropIn) SetClientCertificate(certificate, key string) {
	d.Tables = map[string]any{"syslog": map[string]any{"certificate-file": certificate, "key-file": key}}
}

// ClientCertificate are the files that SetClientCertificate put there, if any.
func (d *DropIn) ClientCertificate() (files []string) {
	table, _ := d.Tables["syslog"].(map[string]any)
	for _, key := range []string{"certificate-file", "key-file"} {
		if file, _ := table[key].(string); file != "" {
			files = append(files, file)
		}
	}
	return files
}

// IsClientCertificate reports whether SetClientCertificate made it, and nobody has
// added to it.
func (d *DropIn) IsClientCertificate() bool {
	table, _ := d.Tables["syslog"].(map[string]any)
	return len(d.Tables) == 1 && len(table) == 2 && len(d.ClientCertificate()) == 2
}

// Text is the file as it is to be.
func (d *DropIn) Text() ([]byte, error) {
	text, err := toml.Marshal(d.Tables)
	if err != nil {
		return nil, fmt.Errorf("write the drop-in %s: %w", d.Path, err)
	}
	return append([]byte("# Written by `auditbridge remote`, which replaces it.\n"), text...), nil
}

// LoadWith is Load as it would be with these bytes as the file called name; nil: if
// that were not there.
func LoadWith(file, name string, data []byte) (*Config, error) {
	return load(file, func(sources []source) []source {
		sources = slices.DeleteFunc(sources, func(s source) bool { return s.name == name })
		if data == nil {
			return sources
		}
		at := slices.IndexFunc(sources, func(s source) bool { return filepath.Dir(s.name) == filepath.Dir(name) && s.name > name })
		if at < 0 {
			at = len(sources)
		}
		return slices.Insert(sources, at, source{name, data})
	})
}
