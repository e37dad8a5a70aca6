package main

import (
	"fmt"
	"os"
	"os/exec"
)

// runExec runs one program until it ends or the launcher is asked to end.
func runExec(logPath string, command []string) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
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
	fmt.Println(cmd.Process.Pid)

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
