package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

var signals = map[string]syscall.Signal{
	"KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM,
	"STOP": syscall.SIGSTOP,
	"CONT": syscall.SIGCONT,
}

// endRequested returns a channel that closes when the launcher shall end:
// its standard input closed, or a signal asked for it. `order` gets every line.
func endRequested(order func(line string)) <-chan struct{} {
	end := make(chan struct{})
	signalled := make(chan os.Signal, 1)
	signal.Notify(signalled, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	// A reader that has gone must not kill the launcher before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			order(lines.Text())
		}
	}()
	go func() {
		defer close(end)
		select {
		case <-closed:
		case <-signalled:
		}
	}()
	return end
}

// obey carries out one "SIGNAL [PROGRAM]" line; without a program it means all.
func obey(line string, children []*child) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	s, known := signals[words[0]]
	if !known {
		fmt.Fprintf(os.Stderr, "launcher: unknown order %q\n", line)
		return
	}
	for _, c := range children {
		if len(words) == 1 || words[1] == c.name {
			if err := c.signal(s); err != nil {
				fmt.Fprintln(os.Stderr, "launcher:", err)
			}
		}
	}
}
