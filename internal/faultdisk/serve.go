package faultdisk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// serve mounts base/mounted, whose files are those of base/kept, and takes
// faults from standard input until that ends.
func serve(base string) error {
	unix.Umask(0)
	s := &server{}
	kept := filepath.Join(base, "kept")
	var st syscall.Stat_t
	if err := syscall.Stat(kept, &st); err != nil {
		return err
	}
	data := &fs.LoopbackRoot{Path: kept, Dev: st.Dev}
	root := &node{LoopbackNode: &fs.LoopbackNode{RootData: data}, server: s}
	data.RootNode = root
	mounted, err := fs.Mount(filepath.Join(base, "mounted"), root, &fs.Options{
		MountOptions: fuse.MountOptions{FsName: "faulty", Name: "faulty", DirectMountStrict: true, MaxWrite: 1 << 20},
	})
	if err != nil {
		return err
	}
	defer mounted.Unmount()
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var faults []Fault
		if err := in.Decode(&faults); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(s.set(faults)); err != nil {
			return err
		}
	}
}

// server decides which operations fail.
type server struct {
	mu     sync.Mutex
	faults []Fault
	hits   int
}

func (s *server) set(faults []Fault) (hits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits, s.hits, s.faults = s.hits, 0, faults
	return hits
}

// strike returns the fault that hits an operation, if one does.
func (s *server) strike(op, name string) (f Fault, hit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		if !f.meets(op, name) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		switch f.Times {
		case 0:
		case 1:
			f.Times = -1
		case -1:
			continue
		default:
			f.Times--
		}
		s.hits++
		return *f, true
	}
	return Fault{}, false
}

func (f *Fault) meets(op, name string) bool {
	if f.Op != op && (f.Op != "" || op == "open") {
		return false
	}
	if f.Name == "" {
		return true
	}
	ok, err := path.Match(f.Name, strings.TrimPrefix(name, "/"))
	return err == nil && ok
}

// do is an operation without a middle: it happens or does not, whatever it
// answers.
func (s *server) do(op, name string, act func() syscall.Errno) syscall.Errno {
	f, hit := s.strike(op, name)
	switch {
	case !hit:
		return act()
	case f.Effect == Whole:
		act()
	}
	return f.Errno
}

// node is a file or directory.
type node struct {
	*fs.LoopbackNode
	server *server

	mu      sync.Mutex
	changes []change // since the last sync
}

// change is what a write has overwritten: a sync that fails puts it back.
type change struct {
	at   int64
	old  []byte
	size int64
}

func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: child.(*fs.LoopbackNode), server: n.server}
}

func (n *node) name() string { return path.Base(n.Path(n.Root())) }
func (n *node) kept() string { return filepath.Join(n.RootData.Path, n.Path(n.Root())) }

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (child *fs.Inode, fh fs.FileHandle, flagsOut uint32, errno syscall.Errno) {
	failed := n.server.do("create", name, func() syscall.Errno {
		child, fh, flagsOut, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		return errno
	})
	return child, direct(fh), flagsOut, failed
}

func (n *node) Open(ctx context.Context, flags uint32) (fh fs.FileHandle, flagsOut uint32, errno syscall.Errno) {
	failed := n.server.do("open", n.name(), func() syscall.Errno {
		fh, flagsOut, errno = n.LoopbackNode.Open(ctx, flags)
		return errno
	})
	return direct(fh), flagsOut, failed
}

// file keeps the kernel from reading and writing the kept file past us.
type file struct{ *fs.LoopbackFile }

func (file) PassthroughFd() (int, bool) { return 0, false }

func direct(fh fs.FileHandle) fs.FileHandle {
	if f, ok := fh.(*fs.LoopbackFile); ok {
		return file{f}
	}
	return fh
}

// listing leaves syncing a directory to node.
type listing struct {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
}

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, flagsOut, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return listing{fh.(fs.FileReaddirenter), fh.(fs.FileSeekdirer), fh.(fs.FileReleasedirer)}, flagsOut, 0
}

func (n *node) Rename(ctx context.Context, name string, to fs.InodeEmbedder, toName string, flags uint32) syscall.Errno {
	return n.server.do("rename", name, func() syscall.Errno { return n.LoopbackNode.Rename(ctx, name, to.(*node).LoopbackNode, toName, flags) })
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.server.do("remove", name, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	failed := n.server.do("symlink", name, func() syscall.Errno {
		child, errno = n.LoopbackNode.Symlink(ctx, target, name, out)
		return errno
	})
	return child, failed
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	act := func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, fh, in, out) }
	if _, truncates := in.GetSize(); !truncates {
		return act()
	}
	return n.server.do("truncate", n.name(), act)
}

func (n *node) Allocate(ctx context.Context, fh fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	return n.server.do("allocate", n.name(), func() syscall.Errno { return fh.(fs.FileAllocater).Allocate(ctx, off, size, mode) })
}

func (n *node) Write(ctx context.Context, fh fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f, hit := n.server.strike("write", n.name())
	switch {
	case hit && f.Effect == None:
		return 0, f.Errno
	case hit && f.Effect == Half:
		data = data[:max(len(data)/2, 1)]
	}
	n.remember(off, len(data))
	written, errno := fh.(fs.FileWriter).Write(ctx, data, off)
	if hit && f.Errno != 0 {
		return 0, f.Errno
	}
	return written, errno
}

func (n *node) Fsync(ctx context.Context, fh fs.FileHandle, flags uint32) syscall.Errno {
	if n.IsDir() {
		return n.server.do("syncdir", n.name(), func() syscall.Errno { return 0 })
	}
	f, hit := n.server.strike("sync", n.name())
	n.mu.Lock()
	defer n.mu.Unlock()
	if hit && f.Effect == None {
		n.putBack()
	}
	n.changes = nil
	return f.Errno
}

// remember keeps what a write of size bytes at off is about to overwrite.
func (n *node) remember(off int64, size int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, err := os.Open(n.kept())
	if err != nil {
		return // it has no name any more: nobody will look for it
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return
	}
	old := make([]byte, size)
	read, _ := f.ReadAt(old, off)
	n.changes = append(n.changes, change{off, old[:read], st.Size()})
}

// putBack undoes what was written since the last sync.
func (n *node) putBack() {
	f, err := os.OpenFile(n.kept(), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	for i := len(n.changes) - 1; i >= 0; i-- {
		c := n.changes[i]
		f.WriteAt(c.old, c.at)
		f.Truncate(c.size)
	}
}
