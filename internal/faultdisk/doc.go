// Package faultdisk gives tests disks that fail: a file system served through
// FUSE whose every operation can be made to fail (Mount), and small file systems
// on devices that run out, go away or stand still (Make). A test that uses it
// needs root, /dev/fuse and loop devices; nothing here is skipped without them.
package faultdisk
