package migration

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"avion.internal/migrate/internal/failure"
)

// remembered is how many bytes of a folder stay in memory; what is beyond is read anew where it is needed.
const remembered = 16 << 20

// contents holds the files of a folder as they were read first: what runs is what was checked and is recorded with its
// checksum, however the folder changes meanwhile.
type contents struct {
	sync.Mutex // goose reads both sections of a file at once
	files      map[string][]byte
	sums       map[string]string
	left       int
}

func newContents() *contents {
	return &contents{files: map[string][]byte{}, sums: map[string]string{}, left: remembered}
}

// read returns the content of a file of the folder, and its checksum.
func (d Directory) read(file string) (content []byte, sum string, err error) {
	d.contents.Lock()
	defer d.contents.Unlock()
	if content, found := d.contents.files[file]; found {
		return content, d.contents.sums[file], nil
	}
	path := filepath.Join(d.Path, file)
	content, err = readAtMost(path, largestFile+1)
	switch {
	case err != nil:
		return nil, "", failure.Refused("%s cannot be read: correct its permissions", path)
	case len(content) > largestFile:
		return nil, "", failure.Refused("%s has more than the %d MiB that a migration may have: move data into files of their own, or write several files",
			path, largestFile>>20)
	}
	sum = Checksum(content)
	if before, known := d.contents.sums[file]; known && before != sum {
		return nil, "", failure.Refused("%s was changed after it had been checked: leave the folder alone and run again", path)
	}
	d.contents.sums[file] = sum
	if len(content) <= d.contents.left {
		d.contents.left -= len(content)
		d.contents.files[file] = content
	}
	return content, sum, nil
}

func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// FS is the folder as it was when it was read, for goose.
func (d Directory) FS() fs.FS { return snapshot{d} }

type snapshot struct{ directory Directory }

// Open returns a migration of the folder.
func (s snapshot) Open(name string) (fs.File, error) {
	content, _, err := s.directory.read(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{bytes.NewReader(content), fileInfo{name, int64(len(content))}}, nil
}

// ReadDir lists the migrations of the folder.
func (s snapshot) ReadDir(string) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	for _, m := range s.directory.Migrations {
		entries = append(entries, fs.FileInfoToDirEntry(fileInfo{name: m.File}))
	}
	return entries, nil
}

type openFile struct {
	*bytes.Reader
	entry fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *openFile) Close() error               { return nil }

type fileInfo struct {
	name string
	size int64
}

func (e fileInfo) Name() string       { return e.name }
func (e fileInfo) Size() int64        { return e.size }
func (e fileInfo) Mode() fs.FileMode  { return 0o444 }
func (e fileInfo) ModTime() time.Time { return time.Time{} }
func (e fileInfo) IsDir() bool        { return false }
func (e fileInfo) Sys() any           { return nil }
