package seal

// Steps of a key change, each durable before the next begins:
//
//  1. the next key is written to a file of its own;
//  2. a checkpoint signed by the current key announces it (next=);
//  3. the next key's file is renamed over the current one's, which erases it.
//
// The first checkpoint after step 3 is signed by the new key.

// KeyFiles is what a start finds on disk; the zero key means that a file is
// missing or cannot be read as a key.
type KeyFiles struct {
	Current PublicKey
	Next    PublicKey
}

// ChainEnd is what the last checkpoint in the journal says; zero when the
// journal has none.
type ChainEnd struct {
	Key  PublicKey // who signed it
	Next PublicKey // whom it announces
}

// KeyStep is what a start has to do about the keys before anything is signed.
type KeyStep int

const (
	UseCurrent   KeyStep = iota // sign with the current key
	FinishChange                // step 3 was cut short: rename next over current, sign with it
	UndoChange                  // the next key was never announced or is lost: remove its file, sign with the current key
	FirstKey                    // a new journal without a key: make one
	NewChain                    // no key on disk is one the chain vouches for: make one, and put the break on record
)

func (s KeyStep) String() string {
	return [...]string{"use current key", "finish key change", "undo key change", "make first key", "begin new chain"}[s]
}

// DecideKey says how a start continues a key change that a crash may have cut
// short at any instant. A file that no checkpoint vouches for never signs.
func DecideKey(files KeyFiles, end ChainEnd) KeyStep {
	started := !end.Key.IsZero()
	has := func(k PublicKey) bool { return !k.IsZero() }
	switch {
	case !started && !has(files.Current):
		// Nothing was ever signed, so a key left alone breaks no promise.
		return FirstKey
	case !started && has(files.Next):
		return UndoChange
	case !started:
		return UseCurrent
	case has(files.Current) && files.Current == end.Next:
		// Step 3 is done. A further next key was never announced.
		if has(files.Next) {
			return UndoChange
		}
		return UseCurrent
	case has(files.Next) && (files.Next == end.Next || files.Next == end.Key):
		// Announced, or signing already because step 3 failed while we lived.
		return FinishChange
	case files.Current == end.Key:
		if has(files.Next) || has(end.Next) {
			return UndoChange
		}
		return UseCurrent
	}
	return NewChain
}
