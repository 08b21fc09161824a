package main

import (
	"fmt"
	"log/slog"
	"os"

	"auditbridge/forward"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// resolverFiles are what the resolver of Go's package net reads, and where the
// first of them may point.
var resolverFiles = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/localtime", "/usr/share/zoneinfo",
	"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
}

const dnsPort = 53 // over TCP, when an answer is long

// confine forbids ship, by Landlock and by seccomp, all that it does not need: it reads the
// journal, where it has one, the directories of its keys and what a resolver reads; it
// writes and executes nothing, listens nowhere but at a socket it was given, connects to the configured ports only, and
// sends signals to nobody. The fixed version keeps a newer kernel from
// forbidding what was not thought of here; an older one forbids what it can,
// one without Landlock nothing, which is logged: ship's user has few rights
// anyway.
func confine(n forward.Needs, log *slog.Logger) error {
	const read, list = ll.AccessFSReadFile, ll.AccessFSReadFile | ll.AccessFSReadDir
	rules := []landlock.Rule{
		landlock.PathAccess(list, n.KeyDirs...).IgnoreIfMissing(),
		landlock.ConnectTCP(dnsPort),
	}
	if n.JournalDir != "" {
		rules = append(rules, landlock.PathAccess(list, n.JournalDir))
	}
	for _, path := range resolverFiles {
		access := landlock.AccessFSSet(read)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			access = list
		}
		rules = append(rules, landlock.PathAccess(access, path).IgnoreIfMissing())
	}
	for _, port := range n.Ports {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 1 {
		log.Warn("this kernel has no Landlock: ship is confined by its user's rights alone")
	}
	if err := landlock.V6.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("forbid ship what it does not need: %w", err)
	}
	return forbidShip(n.Accepts)
}
