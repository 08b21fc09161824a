package forward

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"auditbridge/forward/https"
	"auditbridge/internal/keyfile"
)

// HTTPS is what a destination that takes HTTPS requests needs.
type HTTPS struct {
	Host         string `json:"host,omitempty"` // of the request, a name or address; the destination's address unless given
	Path         string `json:"path"`
	Body         string `json:"body"`        // one of https.Bodies
	Compression  string `json:"compression"` // one of https.Compressions
	TokenFile    string `json:"token-file,omitempty"`
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password-file,omitempty"`
}

// Validate returns every problem of h at once, one a line, its key in front.
func (h *HTTPS) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !strings.HasPrefix(h.Path, "/") || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
		bad("path: %q is no path of a URL", h.Path)
	}
	if !slices.Contains(https.Bodies, h.Body) {
		bad("body: %q is none of %s", h.Body, strings.Join(https.Bodies, " "))
	}
	if !slices.Contains(https.Compressions, h.Compression) {
		bad("compression: %q is none of %s", h.Compression, strings.Join(https.Compressions, " "))
	}
	if h.Compression == https.Zstd && h.Body != https.NDJSON {
		bad("compression: %s does not take zstd", h.Body)
	}
	if h.TokenFile != "" && h.User != "" {
		bad("token-file: there is user, too")
	}
	if (h.User == "") != (h.PasswordFile == "") {
		bad("user: it goes with password-file")
	}
	return errors.Join(problems...)
}

// files are those that hold its secrets.
func (h *HTTPS) files() (names []string) {
	for _, name := range []string{h.TokenFile, h.PasswordFile} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// authorization reads the secrets, anew for each connection, so that a replaced file
// is taken up.
func (h *HTTPS) authorization() (string, error) {
	switch {
	case h.TokenFile != "":
		token, err := secret("token-file", h.TokenFile)
		scheme := map[string]string{https.HEC: "Splunk", https.Elastic: "ApiKey"}[h.Body]
		if scheme == "" {
			scheme = "Bearer"
		}
		return scheme + " " + token, err
	case h.User != "":
		password, err := secret("password-file", h.PasswordFile)
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(h.User+":"+password)), err
	}
	return "", nil
}

// secret reads the one line of a file that nobody else may read.
func secret(key, path string) (string, error) {
	text, err := keyfile.Read(key, path, keyfile.Secret)
	if err != nil {
		return "", err
	}
	defer clear(text)
	line := bytes.TrimRight(text, "\r\n")
	if len(line) == 0 || bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &keyfile.Error{Key: key, Path: path, Problem: "it does not hold one line", Advice: "put the secret alone into it"}
	}
	return string(line), nil
}

func openHTTPS(ctx context.Context, c *Config, d Dialer, _ *slog.Logger) (Transport, error) {
	authorization, err := c.HTTPS.authorization()
	if err != nil {
		return nil, err
	}
	host := c.endpoint()
	if c.HTTPS.Host != "" {
		host = net.JoinHostPort(c.HTTPS.Host, fmt.Sprint(c.Port))
	}
	client, err := https.Open(ctx, https.Config{
		Host: host, Path: c.HTTPS.Path, Body: c.HTTPS.Body, Compression: c.HTTPS.Compression, Node: c.Node,
		Agent: "auditbridge/" + c.Build, Authorization: authorization, Timeout: c.AckTimeout,
	}, func(ctx context.Context) (net.Conn, error) {
		conn, err := d.Dial(ctx)
		if err != nil {
			return nil, err // not a nil Conn in a net.Conn
		}
		return conn, nil
	})
	if err != nil {
		return nil, err
	}
	return client, nil
}
