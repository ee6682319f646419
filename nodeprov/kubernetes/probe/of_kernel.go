package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	// The same on every architecture: these calls are younger than the common table.
	sysIOURingSetup          = 425
	sysLandlockCreateRuleset = 444
	landlockVersion          = 1
	bootTime                 = 7 // CLOCK_BOOTTIME
	fanotifyByIdentity       = 0x200
	bpfMapCreate             = 0
	bpfArray                 = 2
	oneBatch, batches        = 100, 200
	slowCall                 = 1500 * time.Nanosecond
	youngSeconds             = 300
)

func ioURing(...string) string {
	var parameters [120]byte // struct io_uring_params
	return call(sysIOURingSetup, 1, uintptr(unsafe.Pointer(&parameters)))
}

func landlock(...string) string { return call(sysLandlockCreateRuleset, 0, 0, landlockVersion) }

func fanotify(...string) string { return call(sysFanotifyInit, fanotifyByIdentity, 0) }

func bpf(...string) string {
	attributes := [32]uint32{bpfArray, 4, 4, 1} // type, and the sizes of key, value and map
	return call(sysBPF, bpfMapCreate, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
}

// clock says whether the clock that counts from the start of the machine began with this pod.
func clock(...string) string {
	var now syscall.Timespec
	if said := call(syscall.SYS_CLOCK_GETTIME, bootTime, uintptr(unsafe.Pointer(&now))); said != "ok" {
		return said
	}
	if now.Sec < youngSeconds {
		return "young"
	}
	return "old"
}

func load(...string) string {
	if said := read("/proc/loadavg"); strings.HasPrefix(said, "0.00 0.00 0.00 ") {
		return "none"
	}
	return "some"
}

// speed says whether the shortest system call takes as long as in a sandbox: by the best of many batches, or of as
// many as a slow machine has time for.
func speed(...string) string {
	best, end := time.Hour, time.Now().Add(longestAnswer/4)
	for batch := 0; batch < batches && time.Now().Before(end); batch++ {
		began := time.Now()
		for each := 0; each < oneBatch; each++ {
			syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
		}
		best = min(best, time.Since(began)/oneBatch)
	}
	if best > slowCall {
		return "slow"
	}
	return "fast"
}

// status says what a field of this process's status is.
func status(arguments ...string) string {
	content, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return outcome(err)
	}
	for _, line := range strings.Split(string(content), "\n") {
		if name, value, _ := strings.Cut(line, ":"); name == arguments[0] {
			return strings.TrimSpace(value)
		}
	}
	return "absent"
}

func processor(...string) string {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return outcome(err)
	}
	for _, line := range strings.Split(string(content), "\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			if strings.TrimSpace(value) == "unknown" {
				return "unknown"
			}
			return "named"
		}
	}
	return "absent"
}

func terminal(...string) string {
	target, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return outcome(err)
	}
	if strings.HasPrefix(target, "/dev/pts/") {
		return "named"
	}
	return "nameless"
}

// memoryLimit says what a program that sizes itself would read, by cgroups of version 1 or 2.
func memoryLimit(...string) string {
	for _, path := range []string{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"} {
		if exists(path) == "yes" {
			return read(path)
		}
	}
	return "absent"
}

// ownMemoryLimit says what the program reads that looks for its own group of version 2 first.
func ownMemoryLimit(...string) string {
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return outcome(err)
	}
	for _, line := range strings.Split(string(content), "\n") {
		if group, found := strings.CutPrefix(line, "0::"); found {
			if path := "/sys/fs/cgroup" + group + "/memory.max"; exists(path) == "yes" {
				return read(path)
			}
		}
	}
	return memoryLimit()
}

// limitChanges says whether the memory's limit becomes another for this program within some seconds.
func limitChanges(arguments ...string) string {
	before, deadline := memoryLimit(), time.Now().Add(seconds(arguments[0]))
	for ; time.Now().Before(deadline); time.Sleep(shortPause) {
		if memoryLimit() != before {
			return "seen"
		}
	}
	return "not seen"
}

// openFiles says how far the soft limit of another process's open files is below the hard one.
func openFiles(arguments ...string) string {
	content, err := os.ReadFile("/proc/" + arguments[0] + "/limits")
	if err != nil {
		return outcome(err)
	}
	_, line, found := strings.Cut(string(content), "Max open files")
	limits := strings.Fields(line)
	if !found || len(limits) < 2 {
		return "?no limit of open files"
	}
	soft, hard := limits[0], limits[1]
	if soft == hard {
		return "equal"
	}
	if number, err := strconv.Atoi(soft); err == nil && strconv.Itoa(number+1) == hard {
		return "one less"
	}
	return "below"
}
