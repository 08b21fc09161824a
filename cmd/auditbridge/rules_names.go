package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"auditbridge/internal/accounts"
	"auditbridge/rules"
)

// rulesHost is this host, whose users and groups may stand in a directory, too:
// of those that no file has, getent asks whatever the host's name service switch
// knows. run reads rule files without: it executes nothing, and what was loaded
// has numbers.
func rulesHost() (*rules.Host, error) {
	host, err := rules.ThisHost()
	if err != nil {
		return nil, err
	}
	alsoByGetent(host, accounts.FindGetent())
	return host, nil
}

func alsoByGetent(host *rules.Host, getent string) {
	also := func(fromFile func(string) (uint32, error), database string) func(string) (uint32, error) {
		return func(name string) (uint32, error) {
			id, err := fromFile(name)
			if err == nil || getent == "" {
				return id, err
			}
			return askGetent(getent, database, name)
		}
	}
	host.User, host.Group = also(host.User, "passwd"), also(host.Group, "group")
}

// namePatience is how long a directory may take to answer.
const namePatience = 10 * time.Second

func askGetent(getent, database, name string) (uint32, error) {
	ctx, cancel := context.WithTimeout(context.Background(), namePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, getent, "--", database, name)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	answer, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("getent %s %s: %w", database, name, err)
	}
	columns := strings.Split(string(answer), ":")
	if len(columns) < 3 || columns[0] != name {
		return 0, fmt.Errorf("getent %s %s: another answer than was asked for", database, name)
	}
	id, err := strconv.ParseUint(columns[2], 10, 32)
	return uint32(id), err
}
