package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a started program.
type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
}

// start runs a program in a process group of its own, so that a Ctrl-C in a
// terminal reaches only the process that decides what to do about it.
func start(name string, cmd *exec.Cmd) (*child, error) {
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the outcome is read from cmd.ProcessState
		close(c.done)
	}()
	return c, nil
}

// signal sends a signal; a program that has already ended is no error.
func (c *child) signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot signal %s: %w", c.name, err)
	}
	return nil
}

// stop ends the program: SIGTERM, and SIGKILL when that is not enough.
func (c *child) stop() {
	_ = c.signal(syscall.SIGTERM)
	_ = c.signal(syscall.SIGCONT) // a frozen program would not notice
	select {
	case <-c.done:
	case <-time.After(grace):
		_ = c.signal(syscall.SIGKILL)
		<-c.done
	}
}

// exitCode is the program's own code, or 128 and the signal that ended it.
func (c *child) exitCode() int {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}
