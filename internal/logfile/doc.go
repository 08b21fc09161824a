// Package logfile reads logs as they lie about: files and directories of rotated
// ones, oldest first, pipes and standard input, compressed or not, in UTF-8 or
// UTF-16. It knows nothing of audit records but how long they may be, and its
// memory does not depend on what it reads.
//
//	inputs, problems := logfile.Find(paths, os.Stdin)
//	for _, in := range inputs {
//		r, err := in.Open()       // decompressed and decoded
//		var c logfile.Cutter      // into lines
//		…
//	}
package logfile
