package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"auditbridge/forward"
	"auditbridge/forward/https"
)

// https settles what requests look like and who we say we are in them.
func (k *completion) https(s *Server, path string) {
	if s.Protocol != "https" {
		k.noHTTPS(s, path)
		return
	}
	fall := func(value *string, key, to, why string) {
		if *value == "" && !k.origins[path+"."+key].bad {
			*value = to
			k.derived(path+"."+key, why)
		}
	}
	fall(&s.Body, "body", https.NDJSON, "default")
	fall(&s.Compression, "compression", https.Gzip, "default")
	fall(&s.Path, "path", https.DefaultPath(s.Body), "default of "+s.Body)
	for _, file := range s.httpsFiles() {
		k.absolute(path+"."+file.key, file.name)
	}
	if err := s.https().Validate(); err != nil {
		for line := range strings.Lines(err.Error()) {
			key, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if key != "path" || s.Path != "" { // else it is the body's, and that is none
				k.wrongAt(path, path+"."+key, httpsHints[key], "%s", what)
			}
		}
	}
}

var httpsHints = map[string]string{
	"path":        "write what follows the server's name in the URL, such as /services/collector/event",
	"compression": `write "gzip" or "none"`,
	"token-file":  "leave one of the two out",
	"user":        "set both, or token-file",
}

// noHTTPS refuses what would be without effect.
func (k *completion) noHTTPS(s *Server, path string) {
	if s.Protocol == "" || k.origins[path+".protocol"].bad {
		return
	}
	for _, key := range []string{"path", "body", "compression", "token-file", "user", "password-file"} {
		if from := k.origins[path+"."+key]; from.at.File != "" {
			k.wrong(path+"."+key, `set protocol = "https", or leave it out`, "it is about HTTPS requests, and protocol is %q", s.Protocol)
		}
	}
}

func (s *Server) httpsFiles() (files []tlsFile) {
	for _, file := range []tlsFile{{"token-file", s.TokenFile}, {"password-file", s.PasswordFile}} {
		if file.name != "" {
			files = append(files, file)
		}
	}
	return files
}

// httpsFiles looks at the files with secrets, as tlsFiles does at keys.
func (k *completion) httpsFiles(ship int) {
	for i := range k.Servers {
		for _, file := range k.Servers[i].httpsFiles() {
			if filepath.IsAbs(file.name) {
				k.tlsFile(fmt.Sprintf("remote-logging-server[%d]", i), file, ship)
			}
		}
	}
}

// https is the server's forward.HTTPS, nil where it is spoken to otherwise.
func (s *Server) https() *forward.HTTPS {
	if s.Protocol != "https" {
		return nil
	}
	return &forward.HTTPS{Host: s.ServerName, Path: s.Path, Body: s.Body, Compression: s.Compression,
		TokenFile: s.TokenFile, User: s.User, PasswordFile: s.PasswordFile}
}
