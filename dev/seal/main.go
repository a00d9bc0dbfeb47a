// Command seal makes what a service holds of the engine: a Go module proxy in a folder, with the module as one zip file, and
// the go.mod and go.sum that pin it. The same engine gives the same bytes.
//
//	seal ENGINE SERVICE VERSION
//
// ENGINE is the folder of the module, SERVICE the folder tools/migrate of the template. A VERSION that ends in -dev gets a
// digest of the content behind it, because a module cache keeps what it once saw under a name for ever.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 4 || !semver.IsValid(os.Args[3]) {
		fmt.Fprintln(os.Stderr, "usage: seal ENGINE SERVICE vX.Y.Z")
		os.Exit(2)
	}
	version, err := seal(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, "seal:", err)
		os.Exit(1)
	}
	fmt.Println(version)
}

// seal returns the whole version.
func seal(engine, service, version string) (string, error) {
	definition, err := os.ReadFile(filepath.Join(engine, "go.mod"))
	if err != nil {
		return "", err
	}
	mod, err := modfile.ParseLax("go.mod", definition, nil)
	if err != nil {
		return "", err
	}
	files, err := sources(engine)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(version, "-dev") {
		content, err := digest(files)
		if err != nil {
			return "", err
		}
		version += "." + content
	}
	name := module.Version{Path: mod.Module.Mod.Path, Version: version}
	proxy := filepath.Join(service, "engine")
	if err := writeProxy(proxy, name, definition, files); err != nil {
		return "", err
	}
	return version, pin(engine, service, proxy, name, mod.Go.Version)
}

// source is one of the engine's files, as package zip wants it.
type source struct{ folder, path string }

func (s source) Path() string                 { return s.path }
func (s source) Lstat() (fs.FileInfo, error)  { return os.Lstat(filepath.Join(s.folder, s.path)) }
func (s source) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(s.folder, s.path)) }

// sources are the files that programs are built from: tests, and what only tests read, stay here.
func sources(engine string) ([]zip.File, error) {
	var files []zip.File
	err := filepath.WalkDir(engine, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || strings.HasSuffix(entry.Name(), "test")):
			return fs.SkipDir
		case entry.IsDir() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		name, err := filepath.Rel(engine, path)
		files = append(files, source{engine, filepath.ToSlash(name)})
		return err
	})
	return files, err
}

// digest is a short name for the content.
func digest(files []zip.File) (string, error) {
	byPath := map[string]zip.File{}
	var paths []string
	for _, file := range files {
		byPath[file.Path()] = file
		paths = append(paths, file.Path())
	}
	hash, err := dirhash.Hash1(paths, func(path string) (io.ReadCloser, error) { return byPath[path].Open() })
	if err != nil {
		return "", err
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hash, "h1:"))
	// A letter in front, because a number with leading zeros is no part of a version.
	return "h" + hex.EncodeToString(sum)[:11], err
}

// writeProxy replaces the folder by one that a file:// GOPROXY can name: https://go.dev/ref/mod#goproxy-protocol.
func writeProxy(proxy string, name module.Version, definition []byte, files []zip.File) error {
	if err := os.RemoveAll(proxy); err != nil {
		return err
	}
	folder := filepath.Join(proxy, filepath.FromSlash(name.Path), "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	information, err := json.Marshal(struct{ Version string }{name.Version})
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := zip.Create(&archive, name, files); err != nil {
		return err
	}
	for suffix, content := range map[string][]byte{"info": append(information, '\n'), "mod": definition, "zip": archive.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, name.Version+"."+suffix), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var goMod = template.Must(template.New("go.mod").Parse(`// Pins the engine, which lies beside this file, and what it is built with. Both come with the template: let no bot bump them.
module tools/migrate

go {{ .Go }}

tool (
{{- range .Programs }}
	{{ $.Engine.Path }}/cmd/{{ . }}
{{- end }}
)

require {{ .Engine.Path }} {{ .Engine.Version }}
`))

// pin writes the service's go.mod and go.sum, in which every module stands that the programs are built from.
func pin(engine, service, proxy string, name module.Version, goVersion string) error {
	programs, err := os.ReadDir(filepath.Join(engine, "cmd"))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	data := struct {
		Engine   module.Version
		Go       string
		Programs []string
	}{Engine: name, Go: goVersion}
	for _, program := range programs {
		data.Programs = append(data.Programs, program.Name())
	}
	if err := goMod.Execute(&text, data); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(service, "go.mod"), text.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(service, "go.sum")); err != nil {
		return err
	}
	return tidy(service, proxy, name.Path)
}

func tidy(service, proxy, engine string) error {
	output, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return err
	}
	known, upstream, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	// A cache of its own: the machine's may know this version with another content.
	cache, err := os.MkdirTemp("", "seal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	absolute, err := filepath.Abs(proxy)
	if err != nil {
		return err
	}
	command := exec.Command("go", "mod", "tidy")
	command.Dir = service
	command.Env = append(os.Environ(), "GOMODCACHE="+cache, "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off",
		"GONOPROXY=none", "GONOSUMDB="+engine,
		"GOPROXY="+strings.Join([]string{folderURL(absolute), folderURL(filepath.Join(known, "cache", "download")), upstream}, ","))
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go mod tidy: %w\n%s", err, output)
	}
	return nil
}

// folderURL escapes what would end an element of GOPROXY, too.
func folderURL(folder string) string {
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(folder)}
	return strings.NewReplacer(",", "%2C", "|", "%7C").Replace(address.String())
}
