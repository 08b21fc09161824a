package tunnel

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// maxKeyFile bounds what is read as a key file.
const maxKeyFile = 1 << 20

// minRSA is the shortest RSA key in bits that is used or believed.
const minRSA = 2048

// readSafe reads the file that the configuration's key names. Nobody but its
// owner and root may be able to change it, on the whole path; forbidden are
// the mode bits the file itself must not have.
func readSafe(key, path string, forbidden uint32) ([]byte, error) {
	fail := func(problem, advice string, err error) ([]byte, error) {
		return nil, &FileError{Key: key, Path: path, Problem: problem, Advice: advice, Err: err}
	}
	if dir, err := openToOthers(filepath.Dir(path)); err != nil {
		return fail("look at its directories", "the path must exist", err)
	} else if dir != "" {
		return fail("others may replace it, for "+dir+" is theirs to write", "chown root "+dir+" && chmod go-w "+dir, nil)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return fail("it is a symbolic link", "name the file itself", nil)
	}
	if err != nil {
		return fail("open", fmt.Sprintf("it has to exist and be readable by uid %d", os.Geteuid()), err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail("fstat", "", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fail("it is not a regular file", "name the file itself", nil)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fail(fmt.Sprintf("it belongs to uid %d", st.Uid), fmt.Sprintf("chown %d %s", os.Geteuid(), path), nil)
	case st.Mode&forbidden != 0:
		return fail(fmt.Sprintf("its mode %04o lets others at it", st.Mode&0o7777), fmt.Sprintf("chmod %04o %s", st.Mode&0o7777&^forbidden, path), nil)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return fail("read", "", err)
	}
	if len(text) > maxKeyFile {
		return fail("it is longer than 1 MiB", "name the right file", nil)
	}
	return text, nil
}

// openToOthers returns the first directory from the root down to dir, or the
// first symbolic link among them and behind them, that somebody else could
// replace or in which he could replace what lies in it. A sticky directory like
// /tmp protects what is in it.
func openToOthers(dir string) (string, error) {
	at, rest := "/", strings.Split(filepath.Clean(dir), "/")
	for links := 0; ; {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return "", fmt.Errorf("stat %s: %w", at, err)
		}
		isLink := st.Mode&unix.S_IFMT == unix.S_IFLNK
		foreign := st.Uid != 0 && int(st.Uid) != os.Geteuid()
		if foreign || !isLink && st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
			return at, nil
		}
		if isLink {
			target, err := os.Readlink(at)
			if err != nil {
				return "", err
			}
			if links++; links > 40 {
				return "", fmt.Errorf("%s: %w", dir, unix.ELOOP)
			}
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
		for len(rest) > 0 && rest[0] == "" {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return "", nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// readIdentity reads our private key.
func readIdentity(path string) (ssh.Signer, error) {
	text, err := readSafe("identity-file", path, 0o077)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseIdentity(path, text)
}

func parseIdentity(path string, text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case err != nil && isPublicKey(text):
		return nil, &FileError{Key: "identity-file", Path: path, Problem: "it is a public key; the private one is needed",
			Advice: "name the private key's file, " + strings.TrimSuffix(path, ".pub") + " by custom"}
	case errors.As(err, &locked):
		return nil, &FileError{Key: "identity-file", Path: path, Problem: "the key is protected by a passphrase, and nobody is there to type it",
			Advice: "make a key of its own for auditbridge: ssh-keygen -t ed25519 -N '' -f " + path}
	case err != nil:
		return nil, &FileError{Key: "identity-file", Path: path, Problem: "it holds no private key that can be used",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path, Err: err}
	case tooShort(signer.PublicKey()):
		return nil, &FileError{Key: "identity-file", Path: path, Problem: "the RSA key is shorter than 2048 bits",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path}
	}
	return modernSigner(path, signer)
}

func isPublicKey(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// modernSigner keeps a key from being used with an algorithm of old, and
// refuses kinds of keys that have no other.
func modernSigner(path string, signer ssh.Signer) (ssh.Signer, error) {
	algorithms, ok := signatures[signer.PublicKey().Type()]
	with, isPlain := signer.(ssh.AlgorithmSigner)
	if !ok || !isPlain {
		return nil, &FileError{Key: "identity-file", Path: path, Problem: "keys of type " + signer.PublicKey().Type() + " are not used any more",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path}
	}
	return ssh.NewSignerWithAlgorithms(with, algorithms)
}

func tooShort(key ssh.PublicKey) bool {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
	return ok && public.N.BitLen() < minRSA
}
