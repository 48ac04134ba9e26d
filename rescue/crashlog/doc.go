// Package crashlog keeps what the Go runtime says when a program dies, for the
// next instance of that program to find.
//
// It is for Go programs on an ordinary operating system: an init of LinuxBoot, a
// service that is restarted, a tool. (A host that is its own kernel has package
// rescue.) The runtime writes its last words, a panic with all goroutines or a
// fatal error, to standard error and, since Go 1.23, to a file that
// runtime/debug.SetCrashOutput names. This package keeps such files in a folder.
//
// # Life cycle
//
// Start, called as early in main as may be, makes a file for this instance and has
// the runtime write to it. What instances that have ended left there is then had
// by Log.Previous, Log.Ended and, as fault records, Log.Records. Close, at the end of a
// program that ends well, removes the instance's file. A program that was killed
// without a word, or left by os.Exit without Close, leaves a file with a header
// alone: that is a finding, too ([Silent]).
//
//	log, err := crashlog.Start(crashlog.Config{Directory: "/var/lib/service/crash"})
//	if err != nil {
//		return err // the program can go on without
//	}
//	defer log.Close()
//	if last, ok := log.Previous(); ok {
//		slog.Error("the last instance died", "of", last.Kind, "message", last.Message)
//	}
//
// # Files
//
// An instance's file is NAME-TIME-PID.crash: NAME is Config.Name, TIME is when it
// began in nanoseconds since 1970, 20 decimal digits, so that names sort by age.
// It begins with one line, the header, and what follows is the runtime's, as it
// wrote it:
//
//	crashlog 1 started=1795304000000000000 pid=712 restart=5f0c... build=... program=/sbin/init
//
// A file is locked while its instance lives (flock; LockFileEx on Windows), so
// several instances can share a folder and none takes a living one for ended; an
// empty file NAME.lock beside them has them start one after the other. Where the
// operating system has no such lock, one instance at a time is what works.
//
// The oldest files are removed when there are more than Config.Keep of ended
// instances. The text is read up to Config.Limit bytes; how long it was is told.
//
// # What the runtime does not write
//
// Of a fatal error ("concurrent map writes", "out of memory") the runtime prints the
// first line before it begins to copy to the crash output: standard error alone has
// it. Its stacks are there, and [Parse] tells from them what it can. With
// GOTRACEBACK=none there are no stacks either, and a fatal error is [Silent]: a
// program that wants to know calls runtime/debug.SetTraceback("single").
//
// What a file holds was written by a dying program: nothing in it is trusted, and
// a torn one is an instance with less text.
package crashlog
