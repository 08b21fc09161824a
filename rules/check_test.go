package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckWarns(t *testing.T) {
	around := &Surroundings{
		Exists:  func(path string) bool { return !strings.HasPrefix(path, "/gone") },
		Mounts:  func() (wanted, mounted []string) { return []string{"/srv", "/var"}, []string{"/var"} },
		OwnDirs: []string{"/var/log/audit/auditbridge"},
	}
	const ok = ""
	for _, test := range []struct {
		name, lines, warning string // the first one, "" for none
	}{
		{"a good rule", "-a always,exit -F arch=b64 -S chmod -k a;-a always,exit -F arch=b32 -S chmod -k a", ok},
		{"the same twice", "-a always,exit -F exe=/bin/x -k a;-a always,exit -F exe=/bin/x -k a", "f:2:1: the same rule as at f:1:1"},
		{"the more general one first", "-a always,exit -F arch=b32 -S open,chmod -F auid>=1000 -k a;-a always,exit -F arch=b32 -S open -F a1&0100 -F auid>=1000 -k b",
			"f:2:1: never matches: the rule at f:1:1 has its events first, under its own key"},
		{"the more special one first", "-a always,exit -F arch=b32 -S open -F a1&0100 -F auid>=1000 -k b;-a always,exit -F arch=b32 -S open,chmod -F auid>=1000 -k a", ok},
		{"kept away by a never", "-a never,exit -F arch=b32 -S open;-a always,exit -F arch=b32 -S open -F success=0 -k b",
			"f:2:1: never matches: the rule at f:1:1 keeps them from being audited"},
		{"a file below a watched directory", "-w /etc -p wa -k etc;-w /etc/passwd -p w -k identity", "f:2:1: never matches: the rule at f:1:1 has its events first, under its own key"},
		{"a file below, with more permissions", "-w /etc -p w -k etc;-w /etc/passwd -p wa -k identity", ok},
		{"another user", "-a always,exit -F arch=b32 -S open -F auid>=1000 -k a;-a always,exit -F arch=b32 -S open -F auid>=500 -k b", ok},
		{"another list", "-a never,task -F uid=0;-a always,exclude -F uid=0", ok},
		{"no twin", "-a always,exit -F arch=b64 -S chmod -k a", "f:1:1: a program of 32 bits does the same unseen: there is no rule with arch=b32"},
		{"all of 32 bits are audited", "-a always,exit -F arch=b32 -S all -k 32;-a always,exit -F arch=b64 -S chmod -k a", ok},
		{"no arch", "-a always,exit -S chmod -F auid=1 -k a", "f:1:1: without arch, system call 90 is chmod of one kind of program and mmap of the other"},
		{"no such call", "-a always,exit -F arch=b32 -S 1999 -k a", "f:1:1: i386 has no system call 1999"},
		{"a pattern", "-w /etc/cron.* -p wa", "f:1:1: /etc/cron.* is one path: * and ? stand for themselves"},
		{"a pattern in a directory", "-a always,exit -F dir=/home/?/x -F perm=wa", "f:1:1: /home/?/x is one path: * and ? stand for themselves"},
		{"a path with .. in it", "-w /etc/../srv2/x -p wa", "f:1:1: the path /etc/../srv2/x has a name .. or . in it"},
		{"a path that ends in ..", "-w /etc/.. -p wa", "f:1:1: the path /etc/.. has a name .. or . in it"},
		{"a path with two dots in a name", "-w /etc/a..b -p wa", ok},
		{"a directory that is gone", "-a always,exit -F dir=/gone/x -F perm=wa -k a", "f:1:1: the directory /gone/x does not exist: the kernel refuses the rule"},
		{"a file in a directory that is gone", "-w /gone/x -p wa", "f:1:1: the directory of /gone/x does not exist: the kernel refuses the rule"},
		{"a file system that is not mounted", "-w /srv/www/x -p wa", "f:1:1: /srv/www/x is on /srv, which is not mounted: the rule watches what lies below"},
		{"our own writes", "-a always,exit -F dir=/var/log/audit -F perm=wa -k log", "f:1:1: audits what auditbridge itself reads and writes in /var/log/audit/auditbridge: each record then makes more"},
		{"attributes of our own files", "-a always,exit -F dir=/var/log/audit -F perm=a -k log", ok},
		{"our own writes excepted", "-a always,exit -F dir=/var/log/audit -F perm=wa -F exe!=/usr/bin/auditbridge -k log", ok},
		{"every write of everybody", "-a always,exit -F arch=b64 -S write -k w;-a always,exit -F arch=b32 -S all -k 32", "f:1:1: audits every write of every process, auditbridge's own too: each record then makes more"},
		{"every write of people", "-a always,exit -F arch=b64 -S write -F auid>=1000 -k w;-a always,exit -F arch=b32 -S all -k 32", ok},
		{"nothing is audited at all", "-a never,task", "f:1:1: no process that is started from now on has its system calls or files audited"},
		{"-D behind rules", "-w /etc/passwd -p wa;-D", "f:2:1: deletes the 1 rule above"},
		{"locked too early", "-e 2;-w /etc/passwd -p wa", "f:2:1: auditctl cannot obey this line: the rules are locked at f:1:1"},
		{"locked last", "-w /etc/passwd -p wa;-e 2", ok},
		{"a rule is deleted that is not there", "-W /etc/passwd -p wa", "f:1:1: no line above adds the rule that this one deletes"},
		{"a question", "-l", "f:1:1: a line that only asks"},
	} {
		f, err := Parse("f", strings.ReplaceAll(test.lines, ";", "\n"), testHost())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var warned []string
		for _, p := range Check(testHost(), f, around) {
			warned = append(warned, p.Error())
		}
		if got := slices.Concat(warned, []string{""})[0]; got != test.warning {
			t.Errorf("%s: %s", test.name, cmp.Diff(test.warning, strings.Join(warned, "\n")))
		}
	}
}
