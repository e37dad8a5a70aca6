package main

import "syscall"

// Missing from package syscall on some Linux architectures.
const reusePort = 0xf

// processAttributes ties a child to this process: even a kill -9 of the
// launcher leaves nothing behind.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
