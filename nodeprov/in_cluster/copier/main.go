// The only program in the image of a release: it copies that release to a folder of the node.
//
// The folder appears when it is complete. What is on the node already, and is the same, gets a second name
// there instead of a copy. Nothing is trusted because of this: the engine verifies every byte on the node.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	source     = "/release"
	chunkBytes = 1 << 20
)

func main() {
	if len(os.Args) != 2 || !filepath.IsAbs(os.Args[1]) {
		fail(errors.New("usage: copy FOLDER, by its whole path"))
	}
	target := filepath.Clean(os.Args[1])
	installed := ""
	if name := os.Getenv("NODEPROV_RELEASE"); name != "" {
		installed = filepath.Join(filepath.Dir(target), filepath.Base(name))
	}
	if err := bring(source, target, installed); err != nil {
		fail(err)
	}
}

// bring copies a tree, complete or not at all; of what lies in installed it takes what is the same.
func bring(source, target, installed string) error {
	part := target + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	count := 0
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(part, below), 0o700)
		}
		count++
		return take(path, filepath.Join(part, below), filepath.Join(installed, below), installed != "")
	})
	if err == nil && count == 0 {
		err = fmt.Errorf("%s is empty", source)
	}
	if err != nil {
		os.RemoveAll(part)
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	fmt.Printf("%d files in %s\n", count, target)
	return os.Rename(part, target)
}

func take(path, target, there string, mayBeThere bool) error {
	if mayBeThere && isSame(path, there) && os.Link(there, target) == nil {
		return nil
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

// isSame tells whether two files are regular and have the same bytes.
func isSame(one, other string) bool {
	first, err := os.Lstat(one)
	if err != nil || !first.Mode().IsRegular() {
		return false
	}
	second, err := os.Lstat(other)
	if err != nil || !second.Mode().IsRegular() || first.Size() != second.Size() {
		return false
	}
	left, err := os.Open(one)
	if err != nil {
		return false
	}
	defer left.Close()
	right, err := os.Open(other)
	if err != nil {
		return false
	}
	defer right.Close()
	return haveSameBytes(bufio.NewReaderSize(left, chunkBytes), bufio.NewReaderSize(right, chunkBytes))
}

func haveSameBytes(left, right io.Reader) bool {
	ours, theirs := make([]byte, chunkBytes), make([]byte, chunkBytes)
	for {
		count, err := io.ReadFull(left, ours)
		other, otherErr := io.ReadFull(right, theirs)
		if count != other || string(ours[:count]) != string(theirs[:other]) {
			return false
		}
		if err != nil || otherErr != nil {
			return isEnd(err) && isEnd(otherErr)
		}
	}
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
