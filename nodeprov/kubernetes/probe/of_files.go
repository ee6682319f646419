package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	temporary      = 0o20200000 // O_TMPFILE without O_DIRECTORY, which differs between architectures
	keepSize       = 0x1        // FALLOC_FL_KEEP_SIZE
	punchHole      = 0x2        // FALLOC_FL_PUNCH_HOLE
	setLease       = 1024       // F_SETLEASE
	tmpfsMagic     = 0x01021994
	boundless      = 1 << 60
	overlayMagic   = 0x794c7630
	longestWait    = 45 * time.Second
	betweenTicks   = 500 * time.Millisecond
	untilToldAbout = time.Second
	syncings       = 40
	timesAWrite    = 4
)

func opened(path string) *os.File {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		panic(err)
	}
	return file
}

func statfs(path string) syscall.Statfs_t {
	var found syscall.Statfs_t
	if err := syscall.Statfs(path, &found); err != nil {
		panic(err)
	}
	return found
}

func exists(arguments ...string) string {
	if _, err := os.Lstat(arguments[0]); err != nil {
		return "no"
	}
	return "yes"
}

// read says what the first line of a file is, or why it cannot be read.
func read(arguments ...string) string {
	content, err := os.ReadFile(arguments[0])
	if err != nil {
		return outcome(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimSpace(line)
}

// is says whether the first line of a file is a text.
func is(arguments ...string) string {
	if read(arguments[0]) == strings.Join(arguments[1:], " ") {
		return "yes"
	}
	return "no"
}

func put(arguments ...string) string {
	if err := os.MkdirAll(filepath.Dir(arguments[0]), 0o755); err != nil {
		return outcome(err)
	}
	return outcome(os.WriteFile(arguments[0], []byte("x"), 0o600))
}

func fifo(arguments ...string) string { return outcome(syscall.Mkfifo(arguments[0], 0o600)) }

// space says whether a filesystem has an end, and whether it counts its inodes.
func space(arguments ...string) string {
	found, free, counted := statfs(arguments[0]), "some", "some"
	if found.Bavail > boundless/uint64(found.Bsize) {
		free = "boundless"
	}
	if found.Files == 0 {
		counted = "no"
	}
	return free + " space, " + counted + " inodes"
}

func size(arguments ...string) string {
	found := statfs(arguments[0])
	return fmt.Sprintf("%d MiB", found.Blocks*uint64(found.Bsize)/mebibyte)
}

func filesystem(arguments ...string) string {
	if err := os.MkdirAll(arguments[0], 0o777); err != nil {
		return outcome(err)
	}
	switch statfs(arguments[0]).Type {
	case tmpfsMagic:
		return "tmpfs"
	case overlayMagic:
		return "overlay"
	}
	return "another"
}

func tmpfile(arguments ...string) string {
	fd, err := syscall.Open(arguments[0], temporary|syscall.O_DIRECTORY|syscall.O_RDWR, 0o600)
	if err == nil {
		syscall.Close(fd)
	}
	return outcome(err)
}

func punch(arguments ...string) string {
	file := opened(arguments[0])
	defer file.Close()
	return outcome(syscall.Fallocate(int(file.Fd()), keepSize|punchHole, 0, pageBytes))
}

func lease(arguments ...string) string {
	opened(arguments[0]).Close()
	file, err := os.Open(arguments[0]) // a lease to read is for who has it open to read only
	if err != nil {
		return outcome(err)
	}
	defer file.Close()
	return call(syscall.SYS_FCNTL, file.Fd(), setLease, syscall.F_RDLCK)
}

// syncs says whether fsync waits for a disk: it takes many times as long as the write before it, by the best of several.
func syncs(arguments ...string) string {
	file := opened(arguments[0])
	defer file.Close()
	writing, syncing := time.Hour, time.Hour
	for each := 0; each < syncings; each++ {
		began := time.Now()
		if _, err := file.WriteAt([]byte("x"), int64(each*pageBytes)); err != nil {
			return outcome(err)
		}
		written := time.Now()
		if err := file.Sync(); err != nil {
			return outcome(err)
		}
		writing, syncing = min(writing, written.Sub(began)), min(syncing, time.Since(written))
	}
	if syncing > timesAWrite*writing {
		return "waits"
	}
	return "returns at once"
}

// await waits until others have made a file.
func await(arguments ...string) string {
	for deadline := time.Now().Add(patient(longestWait)); time.Now().Before(deadline); time.Sleep(shortPause) {
		if exists(arguments[0]) == "yes" {
			return "there"
		}
	}
	return "?it did not come: " + arguments[0]
}

// tick makes new files in a folder until others have made the files that it is told of.
func tick(arguments ...string) string {
	folder, ends := arguments[0], arguments[1:]
	for number := 0; number < int(patient(longestWait)/betweenTicks); number++ {
		name := fmt.Sprintf("%s/tick-%d", folder, number)
		if said := put(name); said != "ok" {
			return "?" + said
		}
		left := 0
		for _, each := range ends {
			if exists(each) == "no" {
				left++
			}
		}
		if left == 0 {
			return "done"
		}
		time.Sleep(betweenTicks)
	}
	return "late"
}

// watch says whether inotify tells of a file that others make in a folder.
func watch(arguments ...string) string {
	folder := arguments[0]
	return told(folder, func() string { return strconv.Itoa(len(entries(folder))) })
}

// watchFile says whether inotify tells of a file in a folder whose first line becomes another.
func watchFile(arguments ...string) string {
	return told(arguments[0], func() string { return read(filepath.Join(arguments[0], arguments[1])) })
}

// told watches a folder until what is looked at is otherwise, and says whether inotify has told of anything.
func told(folder string, look func() string) string {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK)
	if err != nil {
		return outcome(err)
	}
	defer syscall.Close(fd)
	events := uint32(syscall.IN_CREATE | syscall.IN_MODIFY | syscall.IN_MOVED_TO)
	if _, err := syscall.InotifyAddWatch(fd, folder, events); err != nil {
		return outcome(err)
	}
	before := look()
	for deadline := time.Now().Add(patient(longestWait)); look() == before; time.Sleep(shortPause) {
		if time.Now().After(deadline) {
			return "nothing changed"
		}
	}
	time.Sleep(patient(untilToldAbout))
	if length, err := syscall.Read(fd, make([]byte, pageBytes)); err == nil && length > 0 {
		return "told"
	}
	return "not told"
}

func entries(folder string) []os.DirEntry {
	found, err := os.ReadDir(folder)
	if err != nil {
		panic(err)
	}
	return found
}
