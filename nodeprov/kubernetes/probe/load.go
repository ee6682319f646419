package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// hold makes so many of a kind, says that they are there, and keeps them until the pod ends.
func hold(kind string, count int) {
	makers := map[string]func(int){
		"nothing":     func(int) {},
		"processes":   holdProcesses,
		"threads":     holdThreads,
		"connections": holdConnections,
	}
	begin, known := makers[kind]
	if !known {
		fail("unknown: " + kind)
	}
	begin(count)
	fmt.Printf("holding %d %s\n", count, kind)
	for {
		time.Sleep(time.Hour)
	}
}

func holdProcesses(count int) {
	for range make([]struct{}, count) {
		child := exec.Command("/proc/self/exe", "hold", "nothing", "0")
		if err := child.Start(); err != nil {
			fail(err.Error())
		}
	}
}

func holdThreads(count int) {
	alive := make(chan struct{})
	for range make([]struct{}, count) {
		go func() {
			runtime.LockOSThread()
			alive <- struct{}{}
			syscall.Pause()
		}()
		<-alive
	}
}

func holdConnections(count int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	var kept []net.Conn
	for range make([]struct{}, count) {
		near, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			fail(err.Error())
		}
		far, err := listener.Accept()
		if err != nil {
			fail(err.Error())
		}
		kept = append(kept, near, far)
	}
	held = kept
}

// held keeps connections from being collected, which closes them.
var held []net.Conn

// calls says how often in a second this kernel can be called, by the kind of the call.
func calls(seconds int) {
	path := os.Args[0]
	kinds := []struct {
		name string
		call func() error
	}{
		{"getppid", func() error { syscall.Getppid(); return nil }},
		{"stat", func() error { var found syscall.Stat_t; return syscall.Stat(path, &found) }},
		{"open", func() error {
			file, err := syscall.Open(path, syscall.O_RDONLY, 0)
			if err != nil {
				return err
			}
			return syscall.Close(file)
		}},
	}
	for _, kind := range kinds {
		began, done := time.Now(), 0
		for time.Since(began) < time.Duration(seconds)*time.Second {
			for range [100]struct{}{} {
				if err := kind.call(); err != nil {
					fail(err.Error())
				}
			}
			done += 100
		}
		rate := float64(done) / time.Since(began).Seconds()
		fmt.Println(kind.name, strconv.FormatFloat(rate, 'f', 0, 64))
	}
	fmt.Println("called")
}
