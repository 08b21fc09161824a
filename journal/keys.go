package journal

import (
	"errors"
	"fmt"
	"os"
	"time"

	"auditbridge/internal/durable"
	"auditbridge/seal"
)

// Files of the signing key in the state directory.
const (
	keyName     = "seal.key"
	nextKeyName = "seal.key.next"
	maxKeyFile  = 16 << 10
)

// keyring holds the signing key and its files. The key changes at every start
// and at every segment's end, in steps each durable before the next:
//
//  1. the next key's file                    (die here: a start removes it)
//  2. a checkpoint by the current key names it
//  3. that checkpoint is synced              (die here: a start renames)
//  4. next is renamed over current, erasing it
type keyring struct {
	dir       durable.Dir
	algorithm seal.Algorithm
	current   *seal.PrivateKey
	// halfway is set from the announcement of current until its file has the
	// name of the key that signs.
	halfway bool
}

// settle finds the key to sign with, finishing or undoing a change that a
// crash cut short. It says what it did.
func (k *keyring) settle(end seal.ChainEnd) (step seal.KeyStep, err error) {
	var next *seal.PrivateKey
	if k.current, err = k.read(keyName); err != nil {
		return 0, err
	}
	if next, err = k.read(nextKeyName); err != nil {
		return 0, err
	}
	step = seal.DecideKey(seal.KeyFiles{Current: public(k.current), Next: public(next)}, end)
	switch step {
	case seal.FinishChange:
		k.current = next
		err = durable.Rename(k.dir, nextKeyName, keyName)
	case seal.FirstKey, seal.NewChain:
		if k.current, err = k.create(keyName); err == nil && next != nil {
			err = durable.Remove(k.dir, nextKeyName)
		}
	case seal.UndoChange:
		err = durable.Remove(k.dir, nextKeyName)
	}
	if err != nil {
		return step, fmt.Errorf("%s: %w", step, err)
	}
	return step, nil
}

// read returns the key in a file, nil when there is none. A file that is there
// and is no key is a lost key: what it was cannot be known.
func (k *keyring) read(name string) (*seal.PrivateKey, error) {
	data, err := durable.Read(k.dir, name, maxKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	defer clear(data)
	key, err := seal.ParsePrivateKey(data)
	if err != nil {
		return nil, nil
	}
	return key, nil
}

// rename is the last step of a key change, if that is open. When it failed it
// is taken again before the next change: two keys must not wait for one name.
func (k *keyring) rename() error {
	if !k.halfway {
		return nil
	}
	err := durable.Rename(k.dir, nextKeyName, keyName)
	if errors.Is(err, os.ErrNotExist) {
		// It took effect although it failed.
		if there, readErr := k.read(keyName); readErr == nil && public(there) == k.current.Public() {
			err = k.dir.Sync()
		}
	}
	if err != nil {
		return fmt.Errorf("change signing key: %w", err)
	}
	k.halfway = false
	return nil
}

// create makes a new key and its durable file.
func (k *keyring) create(name string) (*seal.PrivateKey, error) {
	key, err := seal.GenerateKey(k.algorithm)
	if err != nil {
		return nil, err
	}
	data, err := key.MarshalPEM()
	if err != nil {
		return nil, err
	}
	defer clear(data)
	if err := durable.Create(k.dir, name, data, 0o600, -1); err != nil {
		return nil, fmt.Errorf("store signing key: %w", err)
	}
	return key, nil
}

func public(k *seal.PrivateKey) seal.PublicKey {
	if k == nil {
		return seal.PublicKey{}
	}
	return k.Public()
}

// nextKey makes the key to change to. It needs room on the disk; nothing has
// happened before it returns one.
func (j *Journal) nextKey() (*seal.PrivateKey, error) {
	if err := j.keys.rename(); err != nil {
		return nil, err
	}
	return j.keys.create(nextKeyName)
}

// changeKey hands the chain over to a new key, of nextKey's making: the rest of
// the four steps above. On error the current key stays the current one, unless
// the rename may have happened.
func (j *Journal) changeKey(next *seal.PrivateKey, now time.Time) error {
	if err := j.closeBlock(now, true, next.Public()); err != nil {
		return err
	}
	if err := j.sync.flush(); err != nil {
		return err
	}
	j.keys.current, j.keys.halfway = next, true
	return j.keys.rename()
}
