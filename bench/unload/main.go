// Command unload makes an audit event that no EOE record ends: it loads a BPF
// program and ends without letting go of it. The kernel releases it when the
// process has no audit context any more, so the record stands alone.
package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	err := load()
	for err == unix.EAGAIN { // a signal, perhaps the runtime's own, came while the kernel verified it
		err = load()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "unload: load a BPF program: %v\n", err)
		os.Exit(1)
	}
}

// load loads a socket filter that lets nothing pass, and attaches it nowhere.
func load() error {
	instructions := [...]uint64{0xb7, 0x95} // r0 = 0; exit (linux/bpf.h: struct bpf_insn)
	license := []byte("GPL\x00")
	attributes := struct { // the part of union bpf_attr for BPF_PROG_LOAD that is needed
		kind, count           uint32
		instructions, license uint64
	}{unix.BPF_PROG_TYPE_SOCKET_FILTER, uint32(len(instructions)),
		uint64(uintptr(unsafe.Pointer(&instructions))), uint64(uintptr(unsafe.Pointer(&license[0])))}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	runtime.KeepAlive(&instructions)
	runtime.KeepAlive(license)
	if errno != 0 {
		return errno
	}
	return nil
}
