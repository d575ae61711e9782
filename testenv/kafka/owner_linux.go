package kafka

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel end the process when the test that owns it is killed.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
