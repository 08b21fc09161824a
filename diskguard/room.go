package diskguard

import "golang.org/x/sys/unix"

// Room is what the journal takes, and what its file system has.
type Room struct {
	Used      int64 // bytes of all segments
	Disk      int64 // bytes of the whole file system; 0 when it did not say
	Available int64 // bytes of it that nobody has taken yet
	NoInodes  bool  // no further file can be made on it
}

// RoomAt asks the file system of dir.
func RoomAt(dir string, used int64) Room {
	r := Room{Used: used}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil {
		r.Disk, r.Available = int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize
		r.NoInodes = fs.Files > 0 && fs.Ffree == 0 // some count none: btrfs
	}
	return r
}

// Free is how many bytes the journal can still grow by: what is left of
// MaxSize, or what the file system has available when that is less.
func (c *Config) Free(r Room) int64 {
	left := max(0, c.MaxSize-r.Used)
	if r.Disk > 0 {
		left = min(left, r.Available)
	}
	return left
}

// Threshold is an amount of room: a share of what there is, or bytes.
type Threshold struct {
	Percent int   // 1 … 99, or 0
	Bytes   int64 // when Percent is 0
}

// Of is the threshold in bytes when whole is what there is.
func (t Threshold) Of(whole int64) int64 {
	if t.Percent > 0 {
		return whole/100*int64(t.Percent) + whole%100*int64(t.Percent)/100
	}
	return t.Bytes
}
