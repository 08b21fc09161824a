package durable

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Create writes a new file name with these bytes and makes both durable. If
// we die before it returns, name is missing or complete or, because the bytes
// of an unsynced file are anybody's guess, must be checked by its reader; with
// a temporary name and Rename it is missing or complete.
func Create(d Dir, name string, data []byte, mode os.FileMode, gid int) error {
	temp := name + ".tmp"
	f, err := d.Open(temp, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	err = fill(f, data, mode, gid)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return Rename(d, temp, name)
}

// Rename renames and makes the new name durable.
func Rename(d Dir, from, to string) error {
	if err := d.Rename(from, to); err != nil {
		return err
	}
	return d.Sync()
}

// Remove removes a name for good. A name that is not there is no error.
func Remove(d Dir, name string) error {
	if err := d.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return d.Sync()
}

// Read returns the bytes of a file, which must not have more than limit.
func Read(d Dir, name string, limit int64) ([]byte, error) {
	f, err := d.Open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, &PathError{d.Path() + "/" + name, "is larger than anything auditbridge writes there"}
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); err != nil && (err != io.EOF || int64(n) < size) {
		return nil, err
	}
	return data, nil
}

func fill(f File, data []byte, mode os.FileMode, gid int) error {
	if err := f.Grant(mode, gid); err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Sync()
}
