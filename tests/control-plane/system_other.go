//go:build !linux

package main

import "syscall"

const reusePort = syscall.SO_REUSEPORT

// processAttributes has no parent-death signal to set outside Linux: there, a
// kill -9 of the launcher itself (not of its caller) leaves its children.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
