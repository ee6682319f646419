// The only program in the image of the pods that prove a node: what it does shows what their sandbox does.
//
// It needs no shell, no library and no network, so nothing has to be pulled or installed for a proof.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	port           = ":8080"
	readKernelLog  = 3 // SYSLOG_ACTION_READ_ALL, syslog(2)
	pageBytes      = 4096
	mebibyte       = 1 << 20
	kernelLogBytes = 64 << 10
	messageBytes   = 4000
	clone3         = 435 // on every architecture
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: probe kernel [FILE] | serve | threads N | cpu SECONDS | memory MEBIBYTES | calls SECONDS | " +
			"hold KIND N | answer NAME=QUESTION...")
	}
	switch os.Args[1] {
	case "kernel":
		said := kernel()
		fmt.Print(said)
		if len(os.Args) > 2 { // a file that kubelet hands on, as the pod's termination message
			write(os.Args[2], said)
		}
	case "serve":
		fmt.Print(kernel())
		serve()
	case "threads":
		startThreads(number())
	case "cpu":
		burn(time.Duration(number()) * time.Second)
	case "memory":
		fill(number())
	case "answer":
		answer(os.Args[2:])
	case "euid": // of a copy of this program with the setuid bit
		fmt.Println(os.Geteuid())
	case "abort":
		panic("this is to crash")
	case "seize": // of another process
		fmt.Println(seizeProcess(number()))
	case "calls":
		calls(number())
	case "hold":
		hold(kindAndNumber())
	default:
		fail("unknown: " + os.Args[1])
	}
}

// kernel says which kernel this is, in its own words.
func kernel() string {
	version, err := os.ReadFile("/proc/version")
	if err != nil {
		fail(err.Error())
	}
	said := fmt.Sprintf("version: %s", version)
	log := make([]byte, kernelLogBytes)
	length, err := syscall.Klogctl(readKernelLog, log)
	if err != nil {
		return said + fmt.Sprintf("kernel log: %v\n", err) // a node's own is often forbidden to pods
	}
	return said + fmt.Sprintf("kernel log:\n%s\n", log[:length])
}

// write puts the beginning of a text into a file that is there, as much as kubelet keeps of a termination message.
func write(path, text string) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		fail(err.Error())
	}
	if _, err := file.WriteString(text[:min(len(text), messageBytes)]); err != nil {
		fail(err.Error())
	}
	if err := file.Close(); err != nil {
		fail(err.Error())
	}
}

// serve accepts connections until the pod ends.
func serve() {
	listener, err := net.Listen("tcp", port)
	if err != nil {
		fail(err.Error())
	}
	fmt.Println("listening on " + port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail(err.Error())
		}
		connection.Close()
	}
}

// startThreads has so many threads of the operating system alive at once, after a try at what glibc does first:
// it calls clone3, and only where that is unknown (ENOSYS) clone, as we do. Where a seccomp profile forbids clone3
// in other words, no thread of a C program can be started.
func startThreads(count int) {
	if _, _, errno := syscall.RawSyscall(clone3, 0, 0, 0); errno == syscall.EPERM {
		fail("clone3 is forbidden with EPERM in place of ENOSYS, so glibc does not fall back to clone")
	}
	var alive, end sync.WaitGroup
	alive.Add(count)
	end.Add(1)
	for range make([]struct{}, count) {
		go func() {
			runtime.LockOSThread() // a goroutine of its own thread
			alive.Done()
			end.Wait()
		}()
	}
	alive.Wait()
	end.Done()
	fmt.Printf("threads: %d\n", count)
}

// burn uses two processors as much as it may.
func burn(duration time.Duration) {
	var end sync.WaitGroup
	deadline := time.Now().Add(duration)
	for range [2]struct{}{} {
		end.Add(1)
		go func() {
			defer end.Done()
			for time.Now().Before(deadline) {
			}
		}()
	}
	end.Wait()
	fmt.Println("burned")
}

// fill takes memory and touches every page of it.
func fill(mebibytes int) {
	var taken [][]byte
	for range make([]struct{}, mebibytes) {
		block := make([]byte, mebibyte)
		for at := 0; at < len(block); at += pageBytes {
			block[at] = 1
		}
		taken = append(taken, block)
	}
	fmt.Printf("filled: %d\n", len(taken))
}

func number() int {
	return numberAt(2)
}

func kindAndNumber() (string, int) {
	count := numberAt(3)
	return os.Args[2], count
}

func numberAt(place int) int {
	if len(os.Args) <= place {
		fail(os.Args[1] + " needs a number")
	}
	value, err := strconv.Atoi(os.Args[place])
	if err != nil {
		fail(err.Error())
	}
	return value
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}
