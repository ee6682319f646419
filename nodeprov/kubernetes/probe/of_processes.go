package main

import (
	stderrors "errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	self        = "/proc/self/exe"
	nobody      = 65534
	seize       = 0x4206 // PTRACE_SEIZE
	hugeBytes   = 2 << 20
	hugePages   = 0x40000 // MAP_HUGETLB
	untilKilled = 500 * time.Millisecond
	corePattern = "/proc/sys/kernel/core_pattern"
	coreBytes   = 64 << 20
)

func seconds(text string) time.Duration {
	number, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return patient(time.Duration(number) * time.Second)
}

// wait goes on for so many seconds.
func wait(arguments ...string) string {
	time.Sleep(seconds(arguments[0]))
	return "waited"
}

// eat takes memory; where that is more than it may have, no answer comes.
func eat(arguments ...string) string {
	mebibytes, err := strconv.Atoi(arguments[0])
	if err != nil {
		panic(err)
	}
	fill(mebibytes)
	return "eaten"
}

// setuid says as whom a program runs that belongs to root and has the setuid bit, when somebody else calls it.
func setuid(arguments ...string) string {
	program, err := os.ReadFile(self)
	if err != nil {
		return "?" + err.Error()
	}
	path := arguments[0]
	if err := os.WriteFile(path, program, 0o755); err != nil {
		return "?" + err.Error()
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		return "?" + err.Error()
	}
	command := exec.Command(path, "euid")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, err := command.Output()
	if err != nil {
		return "?" + err.Error()
	}
	return strings.TrimSpace(string(said))
}

// attach says whether one child may trace another.
func attach(...string) string {
	other := exec.Command(self, "answer", "x=wait 10")
	if err := other.Start(); err != nil {
		return "?" + err.Error()
	}
	defer other.Wait()
	defer other.Process.Kill()
	said, err := exec.Command(self, "seize", strconv.Itoa(other.Process.Pid)).Output()
	if err != nil {
		return "?" + err.Error()
	}
	return strings.TrimSpace(string(said))
}

func seizeProcess(pid int) string { return call(syscall.SYS_PTRACE, seize, uintptr(pid), 0, 0) }

// crash says whether the kernel writes a core of a program that crashes here. Where it hands cores to a program of the
// node, none is made, for a report would stay there.
func crash(...string) string {
	if strings.HasPrefix(read(corePattern), "|") {
		return "given to a program of the node"
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return "?" + outcome(err)
	}
	limit.Cur = min(limit.Max, coreBytes)
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return "?" + outcome(err)
	}
	command := exec.Command(self, "abort")
	command.Env = []string{"GOTRACEBACK=crash"} // Go's runtime ends with SIGABRT then
	var ended *exec.ExitError
	if err := command.Run(); !stderrors.As(err, &ended) {
		return "?the program did not crash"
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		if status.CoreDump() {
			return "core"
		}
		return "no core"
	}
	return "?the program did not crash by a signal"
}

// killInit sends to the first process, which this must be, what the kernel keeps from it.
func killInit(...string) string {
	if os.Getpid() != 1 {
		return "?this is not the first process"
	}
	syscall.Kill(1, syscall.SIGKILL)
	time.Sleep(patient(untilKilled))
	return "survives"
}

// hugepage says of what size the pages are that huge ones were asked for.
func hugepage(...string) string {
	memory, err := syscall.Mmap(-1, 0, hugeBytes, syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON|hugePages)
	if err != nil {
		return outcome(err)
	}
	start := strconv.FormatUint(uint64(uintptr(unsafe.Pointer(&memory[0]))), 16)
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return "?" + err.Error()
	}
	_, behind, found := strings.Cut(string(maps), start+"-")
	_, value, _ := strings.Cut(behind, "KernelPageSize:")
	if line, _, ok := strings.Cut(value, "\n"); found && ok {
		return strings.Join(strings.Fields(line), " ")
	}
	return "accepted"
}
