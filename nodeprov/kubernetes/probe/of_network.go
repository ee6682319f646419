package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	iptablesInfo   = 64 // IPT_SO_GET_INFO
	zeroCopyOption = 60 // SO_ZEROCOPY
	zeroCopySend   = 0x4000000
	errorQueue     = 0x2000
	untilFree      = time.Second
	untilConnected = 20
)

// socket says whether a kind of socket can be made; domain, type and protocol are numbers.
func socket(arguments ...string) string {
	var numbers [3]int
	for index := range numbers {
		number, err := strconv.Atoi(arguments[index])
		if err != nil {
			panic(err)
		}
		numbers[index] = number
	}
	fd, err := syscall.Socket(numbers[0], numbers[1], numbers[2])
	if err == nil {
		syscall.Close(fd)
	}
	return outcome(err)
}

func networkInterface(arguments ...string) string {
	content, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return outcome(err)
	}
	if strings.Contains(string(content), arguments[0]+":") {
		return "there"
	}
	return "absent"
}

// iptables asks for a table as iptables-legacy does.
func iptables(arguments ...string) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		return outcome(err)
	}
	defer syscall.Close(fd)
	var information [84]byte // struct ipt_getinfo begins with the table's name
	copy(information[:], arguments[0])
	length := uint32(len(information))
	return call(
		syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_IP, iptablesInfo,
		uintptr(unsafe.Pointer(&information)), uintptr(unsafe.Pointer(&length)),
	)
}

// listen makes a socket at a path, on which it answers until the program ends.
func listen(arguments ...string) string {
	listener, err := net.Listen("unix", arguments[0])
	if err != nil {
		return "?" + err.Error()
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Close()
		}
	}()
	return "listening"
}

// answerHTTP answers on the port of the proofs' pods for so many seconds.
func answerHTTP(arguments ...string) string {
	listener, err := net.Listen("tcp", port)
	if err != nil {
		return "?" + err.Error()
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Read(make([]byte, pageBytes))
			fmt.Fprint(connection, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
			connection.Close()
		}
	}()
	time.Sleep(seconds(arguments[0]))
	return "served"
}

func connect(arguments ...string) string {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return outcome(err)
	}
	defer syscall.Close(fd)
	return outcome(syscall.Connect(fd, &syscall.SockaddrUnix{Name: arguments[0]}))
}

// zeroCopy says whether the kernel tells when memory that it sends without a copy can be used again.
func zeroCopy(...string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "?" + err.Error()
	}
	defer listener.Close()
	sender, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "?" + err.Error()
	}
	defer sender.Close()
	raw, err := sender.(*net.TCPConn).SyscallConn()
	if err != nil {
		return "?" + err.Error()
	}
	said := ""
	raw.Control(func(fd uintptr) { said = sendWithoutCopy(int(fd)) })
	return said
}

func sendWithoutCopy(fd int) string {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, zeroCopyOption, 1); err != nil {
		return "option: " + outcome(err)
	}
	if _, err := syscall.SendmsgN(fd, make([]byte, pageBytes), nil, nil, zeroCopySend); err != nil {
		return "send: " + outcome(err)
	}
	control := make([]byte, pageBytes)
	for deadline := time.Now().Add(untilFree); time.Now().Before(deadline); time.Sleep(shortPause) {
		_, length, _, _, err := syscall.Recvmsg(fd, nil, control, errorQueue|syscall.MSG_DONTWAIT)
		if err == nil && length > 0 {
			return "told"
		}
	}
	return "not told"
}
