// Command unload makes audit events that no EOE record ends: it loads a BPF
// program and lets go of it, and the kernel audits its release outside of any
// system call. usage: unload COUNT PER-SECOND
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if err := unload(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "unload: %v\nusage: unload COUNT PER-SECOND\n", err)
		os.Exit(2)
	}
}

func unload(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%d arguments", len(args))
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	perSecond, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for range count {
		program, err := load()
		for err == unix.EAGAIN { // a signal, perhaps the runtime's own, came while the kernel verified it
			program, err = load()
		}
		if err != nil {
			return fmt.Errorf("load a BPF program: %w", err)
		}
		unix.Close(program)
		time.Sleep(time.Second / time.Duration(perSecond))
	}
	return nil
}

// load loads a socket filter that lets nothing pass, and attaches it nowhere.
func load() (fd int, err error) {
	instructions := [...]uint64{0xb7, 0x95} // r0 = 0; exit (linux/bpf.h: struct bpf_insn)
	license := []byte("GPL\x00")
	attributes := struct { // the part of union bpf_attr for BPF_PROG_LOAD that is needed
		kind, count           uint32
		instructions, license uint64
	}{unix.BPF_PROG_TYPE_SOCKET_FILTER, uint32(len(instructions)),
		uint64(uintptr(unsafe.Pointer(&instructions))), uint64(uintptr(unsafe.Pointer(&license[0])))}
	r, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	runtime.KeepAlive(&instructions)
	runtime.KeepAlive(license)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
