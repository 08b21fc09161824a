package peertest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// StartChild starts cmd so that it is killed when this process ends, however that
// ends: a test that is aborted leaves nobody behind, least of all an owner of kernel
// audit. The kernel sends that signal when the thread ends that started the child, so
// all are started by one that never does.
func StartChild(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	births <- func() { started <- cmd.Start() }
	return <-started
}

// HasEnded tells whether a process has, whoever its parent is by now: process 1 may
// take seconds to bury what it has adopted.
func HasEnded(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" Z"))
}

var births = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread() // never unlocked
		for birth := range births {
			birth()
		}
	}()
}
