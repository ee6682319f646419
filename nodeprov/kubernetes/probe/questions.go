package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The questions by which `nodeprov probe` tells a sandbox from the node's own kernel. Each answer is one short line
// that is the same on all nodes of a kind: what differs between nodes is a word here, such as "some", and no number.
//
// An answer that begins with "?" is none: the question could not be asked.

const (
	terminationLog = "/dev/termination-log" // what kubelet shows in the pod's status
	longestAnswer  = 20 * time.Second
	shortPause     = 100 * time.Millisecond
	patienceName   = "NODEPROV_PATIENCE" // how many times longer all may take, on a slow node
)

// patient says how long a time is on this node.
func patient(usual time.Duration) time.Duration {
	if times, err := strconv.Atoi(os.Getenv(patienceName)); err == nil && times > 1 {
		return usual * time.Duration(times)
	}
	return usual
}

type question func(arguments ...string) string

var questions map[string]question

// waits has the questions that wait for others.
var waits = map[string]bool{
	"await": true, "limit-changes": true, "serve": true, "tick": true, "wait": true, "watch": true, "watch-file": true,
}

func init() { // not a value: some questions start this program anew
	questions = map[string]question{
		"alive": func(...string) string { return "yes" },
		// of files
		"await": await, "exists": exists, "fifo": fifo, "filesystem": filesystem, "is": is,
		"lease": lease, "punch": punch, "read": read, "size": size, "space": space, "tick": tick, "sync": syncs, "tmpfile": tmpfile, "watch": watch,
		"watch-file": watchFile,
		"write":      put,
		// of processes and memory
		"attach": attach, "crash": crash, "eat": eat, "hugepage": hugepage, "kill-init": killInit, "setuid": setuid, "wait": wait,
		// of the kernel
		"bpf": bpf, "clock": clock, "fanotify": fanotify, "io-uring": ioURing, "landlock": landlock, "load": load,
		"memory-limit": memoryLimit, "limit-changes": limitChanges, "open-files": openFiles,
		"own-memory-limit": ownMemoryLimit, "processor": processor, "speed": speed, "status": status, "terminal": terminal,
		// of the network
		"connect": connect, "serve": answerHTTP, "interface": networkInterface, "iptables": iptables, "listen": listen, "socket": socket,
		"zero-copy": zeroCopy,
	}
}

// answer asks questions, each given as NAME=QUESTION ARGUMENT..., and writes each answer down before the next one
// is asked, as the program may be ended by a question.
func answer(asked []string) {
	said, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		said = os.Stderr // not in a pod of Kubernetes
	}
	for _, each := range asked {
		name, text, _ := strings.Cut(each, "=")
		line := fmt.Sprintf("%s\t%s\n", name, strings.ReplaceAll(ask(text), "\n", " "))
		fmt.Print(line)
		if _, err := said.WriteString(line); err != nil {
			fail(err.Error())
		}
	}
}

// ask asks one question, and waits no longer than it may take.
func ask(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 || questions[words[0]] == nil {
		return "?no such question: " + text
	}
	answered := make(chan string, 1)
	go func() {
		defer func() {
			if why := recover(); why != nil {
				answered <- fmt.Sprintf("?%v", why)
			}
		}()
		answered <- questions[words[0]](words[1:]...)
	}()
	limit := patient(longestAnswer)
	if waits[words[0]] {
		limit *= 5
	}
	select {
	case said := <-answered:
		return said
	case <-time.After(limit):
		return "no answer"
	}
}

var errors = map[syscall.Errno]string{
	syscall.EACCES: "EACCES", syscall.EAFNOSUPPORT: "EAFNOSUPPORT", syscall.EBUSY: "EBUSY",
	syscall.ECONNREFUSED: "ECONNREFUSED", syscall.EINVAL: "EINVAL", syscall.EISDIR: "EISDIR",
	syscall.ENETUNREACH: "ENETUNREACH", syscall.ENODEV: "ENODEV", syscall.ENOENT: "ENOENT", syscall.ENOMEM: "ENOMEM",
	syscall.ENOPROTOOPT: "ENOPROTOOPT", syscall.ENOSYS: "ENOSYS", syscall.ENOTTY: "ENOTTY",
	syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.EPERM: "EPERM", syscall.EPROTONOSUPPORT: "EPROTONOSUPPORT",
	syscall.EROFS: "EROFS", syscall.ESRCH: "ESRCH",
}

// outcome says how a call ended: "ok", or the name of its error.
func outcome(err error) string {
	switch err := err.(type) {
	case nil:
		return "ok"
	case syscall.Errno:
		if err == 0 {
			return "ok"
		}
		if name, known := errors[err]; known {
			return name
		}
		return fmt.Sprintf("error %d", int(err))
	case *os.PathError:
		return outcome(err.Err)
	case *os.SyscallError:
		return outcome(err.Err)
	}
	return err.Error()
}

// call makes a system call, and says how it ended; what it opens is closed again with the program.
func call(number uintptr, arguments ...uintptr) string {
	var six [6]uintptr
	copy(six[:], arguments)
	_, _, errno := syscall.Syscall6(number, six[0], six[1], six[2], six[3], six[4], six[5])
	return outcome(errno)
}
