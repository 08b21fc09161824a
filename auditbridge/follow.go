package auditbridge

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

// FollowerConfig configures the source "file:PATH".
type FollowerConfig struct {
	Path   string       // of the log that is written to; what it was rotated to lies beside it
	Note   func(Note)   // takes what is to be put on record
	Logger *slog.Logger // nil means none
}

// Follower is the source "file:PATH": it reads a log that another program writes,
// through rotation, truncation and replacement, every line once. Where it stands
// is stored with the records (Trail), so that the next process goes on there.
//
// The log is the queue: when the ring is full the follower waits, and refuses
// nothing.
type Follower struct {
	splitter
	hearing
	cfg       FollowerConfig
	dir, base string
	ctx       context.Context // of Run
	failing   time.Time       // since when there is nothing to follow

	trail  *Trail    // where to go on, until that is found
	stored []LineSum // of what comes next this is stored already

	from   *logFile          // nil while there is none
	offset int64             // in it, behind what was handed over
	before []byte            // what stands in front of offset, beforeBytes at most
	older  map[identity]bool // logs that were there before from
	window []byte            // before, and what was read behind it
	buffer []byte            // of window
}

// readBytes is what is read at a time.
const readBytes = 256 << 10

// OpenFollower prepares to follow. Neither the file nor its directory need be
// there yet.
func OpenFollower(cfg FollowerConfig, r *ring.Ring) (*Follower, error) {
	if !filepath.IsAbs(cfg.Path) {
		return nil, fmt.Errorf("follow %s: not an absolute path", cfg.Path)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Follower{
		cfg: cfg, dir: filepath.Dir(cfg.Path), base: filepath.Base(cfg.Path),
		trail: &Trail{}, buffer: make([]byte, beforeBytes+readBytes),
	}
	f.splitter = splitter{in: intake{ring: r, before: f.tellPlace}, room: f.waitForRoom, passes: f.isStored, stops: true}
	return f, nil
}

// Resume lets Run go on where the trail ends. Without a place in it Run begins with
// the log that begins with a line of the trail, or else with the first line of the log
// that is written to; what was rotated away before is left alone.
func (f *Follower) Resume(t Trail) { f.trail = &t }

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	f.ctx = ctx
	w := watch(f.dir, f.cfg.Logger)
	defer w.close()
	for ctx.Err() == nil {
		more, err := f.step()
		f.tell(err)
		if !more || err != nil {
			w.wait(ctx)
		}
	}
	if f.from != nil {
		return f.from.Close()
	}
	return nil
}

// tell says whether there is something to follow; that there is not, only when it
// stays so: for a moment it is so whenever a log is rotated.
func (f *Follower) tell(err error) {
	switch {
	case err == nil:
		f.failing = time.Time{}
	case f.failing.IsZero():
		f.failing = time.Now()
		return
	case time.Since(f.failing) < lookInterval/2:
		return
	}
	switch changed := f.turn(err); {
	case !changed:
	case err != nil:
		f.cfg.Logger.Warn("nothing to follow; trying again", "path", f.cfg.Path, "err", err)
	default:
		f.cfg.Logger.Info("following", "path", f.cfg.Path)
	}
}

// step reads on, or moves on to the next log, and tells whether there may be more
// at once.
func (f *Follower) step() (more bool, err error) {
	if f.trail != nil {
		if err := f.resume(); err != nil {
			return false, err
		}
	}
	if f.from != nil {
		if f.offset == 0 {
			if took, err := f.takeCopy(); took || err != nil {
				return took, err
			}
		}
		if more, err := f.read(false); more || err != nil || f.isNewest() {
			return more, err
		}
	}
	return f.moveOn()
}

// read hands over what stands behind offset; at the end also a line that is not
// whole. When what stands in front of offset is not what it was, the file was cut,
// and perhaps written again.
func (f *Follower) read(end bool) (more bool, err error) {
	if err := f.from.look(); err != nil {
		return false, err
	}
	n, err := f.from.readAt(f.buffer, f.offset-int64(len(f.before)))
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.from.name, err)
	}
	if !bytes.HasPrefix(f.buffer[:n], f.before) {
		return true, f.wasCut()
	}
	f.window = f.buffer[:n]
	used := f.split(f.window[len(f.before):], end)
	f.stand(f.offset+int64(used), f.window[:len(f.before)+used])
	return used > 0, nil
}

// stand sets where we stand, and what stands in front of that.
func (f *Follower) stand(offset int64, before []byte) {
	f.offset = offset
	f.before = append(f.before[:0], last(before, beforeBytes)...)
	f.window = f.before
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// place is where done bytes behind offset are.
func (f *Follower) place(done int) filePlace {
	before := last(f.window[:len(f.before)+done], beforeBytes)
	return filePlace{f.from.dev, f.from.inode, f.offset + int64(done), f.from.modified, sumBefore(before)}
}

// tellPlace sends along with the lines that are published where they end. The
// beginning of a log is no place: nothing in front of it tells which log it is. The
// end of the one before is as good.
func (f *Follower) tellPlace() {
	if f.from != nil && len(f.stored) == 0 && f.offset+int64(f.done) > 0 {
		f.in.ring.At(f.place(f.done).String())
	}
}

// isStored passes over lines that are stored already. Once one comes that is not,
// the log has lost what it lacks of them, as after a power failure.
func (f *Follower) isStored(line []byte) bool {
	if len(f.stored) == 0 {
		return false
	}
	if at := slices.Index(f.stored, SumLine(line)); at >= 0 { // nearly always the first
		f.stored = f.stored[at+1:]
		return true
	}
	f.cfg.Logger.Info("the log lacks records that are stored", "path", f.cfg.Path, "records", len(f.stored))
	f.stored = nil
	return false
}

// waitForRoom waits until a quarter of the ring is free; false means that Run ends.
func (f *Follower) waitForRoom() bool {
	select {
	case <-f.in.ring.Space(f.in.ring.Size() / 4):
		return true
	case <-f.ctx.Done():
		return false
	}
}

// resume finds the latest place of the trail that still holds.
func (f *Follower) resume() error {
	all, err := openLogs(f.dir, f.base)
	if err != nil {
		return err
	}
	t := f.trail
	f.trail = nil
	if len(t.Places) == 0 {
		if at := all.begunWith(t.Lines); at >= 0 { // whoever was here before died before a block line named its first place
			f.stored = t.Lines
			return f.take(all, at, 0)
		}
		f.leaveAlone(all, func(log *logFile) bool { return log.name != f.base })
		return nil
	}
	var latest filePlace
	for _, place := range slices.Backward(t.Places) {
		p, err := parsePlace(place.At)
		if err != nil {
			continue
		}
		if latest == (filePlace{}) {
			latest, f.stored = p, t.Lines[place.Line:]
		}
		if at := all.find(p); at >= 0 {
			f.stored = t.Lines[place.Line:]
			return f.take(all, at, p.offset)
		}
	}
	f.gap("not-found", latest.offset)
	f.leaveAlone(all, func(log *logFile) bool { return log.modified <= latest.modified })
	return nil
}

// leaveAlone closes all logs; those will not be read of which it is true.
func (f *Follower) leaveAlone(all logs, whether func(*logFile) bool) {
	f.older = map[identity]bool{}
	for _, log := range all {
		if whether(log) {
			f.older[log.identity] = true
		}
	}
	all.close(nil)
}

// take goes on in all[i] at offset.
func (f *Follower) take(all logs, i int, offset int64) error {
	before, err := all[i].before(offset)
	if err != nil {
		all.close(nil)
		return err
	}
	if f.from != nil {
		f.from.Close()
	}
	f.from = all[i]
	f.remember(all[:i])
	all.close(f.from)
	f.stand(offset, before)
	f.middle = offset > 0 && before[len(before)-1] != '\n'
	f.cfg.Logger.Debug("reading", "log", f.from.name, "offset", offset)
	return nil
}

func (f *Follower) remember(older logs) {
	f.older = map[identity]bool{}
	for _, log := range older {
		f.older[log.identity] = true
	}
}

// isNewest tells whether the log we read still has the name that is written to.
func (f *Follower) isNewest() bool { return f.from.isAt(f.cfg.Path) }

// moveOn goes on to the log that comes after the one we have read, once that is
// written to: until then more may come to ours, whatever its name is now.
func (f *Follower) moveOn() (more bool, err error) {
	all, err := openLogs(f.dir, f.base)
	if err != nil {
		return false, err
	}
	next := f.next(all)
	if next < 0 {
		all.close(nil)
		if !all.has(f.base) {
			return false, &fs.PathError{Op: "open", Path: f.cfg.Path, Err: unix.ENOENT}
		}
		return false, nil
	}
	if f.from == nil {
		return true, f.take(all, next, 0)
	}
	if all[next].size == 0 && all[next].name == f.base {
		all.close(nil)
		return false, nil
	}
	was := f.from
	for more := true; more && f.from == was; {
		if more, err = f.read(true); err != nil || f.stopped {
			all.close(nil)
			return false, err
		}
	}
	if f.from != was { // it was cut meanwhile
		all.close(nil)
		return true, nil
	}
	if all.index(was.identity) < 0 && all[next].name != f.base {
		f.gap("rotated-away", f.offset) // others may have gone with it
	}
	at := int64(0)
	if p := f.place(0); p.offset > 0 && all[next].holds(p) {
		at = p.offset // ours was a copy
	}
	return true, f.take(all, next, at)
}

// next finds the log behind the one we read; -1 when there is none.
func (f *Follower) next(all logs) int {
	if f.from != nil {
		if i := all.index(f.from.identity); i >= 0 {
			f.remember(all[:i])
			if i++; i < len(all) {
				return i
			}
			return -1
		}
	}
	for i, log := range all {
		if !f.older[log.identity] {
			return i
		}
	}
	return -1
}

// takeCopy goes on, where nothing was read of our log yet, with one that was not
// there when we began with it: what we would have read was copied there, and ours
// cut. It tells whether there is one.
func (f *Follower) takeCopy() (bool, error) {
	all, err := openLogs(f.dir, f.base)
	if err != nil {
		return false, err
	}
	for i, log := range all {
		if log.identity == f.from.identity || log.name == f.base {
			break
		}
		if !f.older[log.identity] {
			return true, f.take(all, i, 0)
		}
	}
	all.close(nil)
	return false, nil
}

// wasCut goes on after the log we read was cut: with a copy that somebody made
// before, if there is one, else at its beginning.
func (f *Follower) wasCut() error {
	all, err := openLogs(f.dir, f.base)
	if err != nil {
		return err
	}
	if i := all.find(f.place(0)); i >= 0 && f.offset > 0 {
		return f.take(all, i, f.offset)
	}
	f.gap("truncated", f.offset)
	f.stand(0, nil)
	f.middle, f.stored = false, nil
	all.close(nil)
	return nil
}

// gap puts on record that what stood behind offset, if anything did, is not to be
// had any more.
func (f *Follower) gap(why string, offset int64) {
	f.cfg.Logger.Warn("the log is not what it was", "path", f.cfg.Path, "why", why, "offset", offset)
	f.cfg.Note(OwnFailure("source-gap", Text("path", f.cfg.Path), Text("why", why), Number("offset", offset)))
}
