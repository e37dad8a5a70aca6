// Command launcher starts programs for tests and demos and makes sure that
// none of them outlives whoever asked for it: it ends them when its standard
// input closes, which the kernel does for every process that ends, whatever
// the reason.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

const usage = `usage:
  launcher control-plane --assets BIN_DIR [--dir DIR]
      runs etcd and kube-apiserver; prints one JSON line when they are ready
  launcher exec [--log FILE] [--input N] -- COMMAND [ARGUMENT...]
      runs one program, whose input is the first N bytes of standard input;
      with --log its output goes there, and its process id is printed instead

Both end when standard input closes or on SIGTERM, SIGINT and SIGHUP.
A line "SIGNAL [PROGRAM]" on standard input (KILL, TERM, STOP, CONT) signals a program.`

// grace is how long a program may take to end after SIGTERM.
const grace = 3 * time.Second

// The parent-death signal of Linux follows the thread that started the child,
// so every child is started from the main thread, which lives to the end.
func init() { runtime.LockOSThread() }

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "launcher:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("no command\n" + usage)
	}
	switch args[0] {
	case "control-plane":
		flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
		assets := flags.String("assets", "", "directory of etcd and kube-apiserver")
		dir := flags.String("dir", "", "working directory, removed at the end (default: a new temporary one)")
		if err := flags.Parse(args[1:]); err != nil {
			return 2, err
		}
		return runControlPlane(*assets, *dir)
	case "exec":
		flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
		log := flags.String("log", "", "file that the program's output is appended to")
		input := flags.Int64("input", 0, "how many bytes of standard input are the program's")
		if err := flags.Parse(args[1:]); err != nil {
			return 2, err
		}
		if flags.NArg() == 0 {
			return 2, errors.New("exec: no program given\n" + usage)
		}
		return runExec(*log, *input, flags.Args())
	default:
		return 2, fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}
