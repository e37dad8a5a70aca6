package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// runExec runs one program until it ends or the launcher is asked to end.
func runExec(logPath string, inputSize int64, command []string) (int, error) {
	// Not buffered: what follows these bytes are orders to the launcher.
	input, err := io.ReadAll(io.LimitReader(os.Stdin, inputSize))
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if logPath != "" {
		log, err := openLog(logPath)
		if err != nil {
			return 1, err
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
	}

	program, err := start(command[0], cmd)
	if err != nil {
		return 1, err
	}
	end := endRequested(func(line string) { obey(line, []*child{program}) })
	if logPath != "" {
		fmt.Println(cmd.Process.Pid)
	}
	select {
	case <-program.done:
	case <-end:
		program.stop()
	}
	return program.exitCode(), nil
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}
