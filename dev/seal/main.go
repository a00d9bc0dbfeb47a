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
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
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
	sealed, err := seal(os.Args[1], os.Args[3])
	if err == nil {
		err = sealed.write(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "seal:", err)
		os.Exit(1)
	}
	fmt.Println(sealed.Engine.Version)
}

// sealed is the module as a proxy hands it out, and what a module that is built from it has to say.
type sealed struct {
	Engine     module.Version
	Folder     string
	Go         string
	Programs   []string
	Modules    []module.Version
	definition []byte
	archive    []byte
	sums       []byte
}

// seal reads the engine and writes nothing.
func seal(engine, version string) (sealed, error) {
	definition, err := os.ReadFile(filepath.Join(engine, "go.mod"))
	if err != nil {
		return sealed{}, err
	}
	parsed, err := modfile.Parse("go.mod", definition, nil)
	if err != nil {
		return sealed{}, err
	}
	files, err := sources(engine)
	if err != nil {
		return sealed{}, err
	}
	content, err := hash(files, "")
	if err != nil {
		return sealed{}, err
	}
	if strings.HasSuffix(version, "-dev") {
		version += "." + short(content)
	}
	made := sealed{Folder: filepath.Base(engine), Engine: module.Version{Path: parsed.Module.Mod.Path, Version: version}, Go: parsed.Go.Version, definition: definition}
	used, err := used(engine)
	if err != nil {
		return sealed{}, err
	}
	for _, requirement := range parsed.Require {
		if used[requirement.Mod.Path] {
			made.Modules = append(made.Modules, requirement.Mod)
		}
	}
	module.Sort(made.Modules)
	for _, file := range files {
		if folder, name := path.Split(file.Path()); name == "main.go" {
			made.Programs = append(made.Programs, path.Base(folder))
		}
	}
	var archive bytes.Buffer
	if err := zip.Create(&archive, made.Engine, files); err != nil {
		return sealed{}, err
	}
	made.archive = archive.Bytes()
	made.sums, err = sums(engine, made.Engine, files)
	return made, err
}

// used are the modules that the programs are built from, wherever they are built; some others only serve the tests of modules.
// `go mod vendor` and `go mod tidy` mind no build tag: pgquery_cgo is the only one under which a module imports another.
func used(engine string) (map[string]bool, error) {
	paths := map[string]bool{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-e", "-deps", "-tags", "pgquery_cgo", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/...")
		list.Dir, list.Stderr = engine, os.Stderr
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		output, err := list.Output()
		if err != nil {
			return nil, err
		}
		for path := range strings.FieldsSeq(string(output)) {
			paths[path] = true
		}
	}
	return paths, nil
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

// hash is the one that go.sum holds: https://go.dev/ref/mod#go-sum-files. Each name stands behind the prefix.
func hash(files []zip.File, prefix string) (string, error) {
	byName := map[string]zip.File{}
	var names []string
	for _, file := range files {
		names = append(names, prefix+file.Path())
		byName[prefix+file.Path()] = file
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return byName[name].Open() })
}

// short is a part of a hash that may stand in a version: in hexadecimal, behind a letter, because no number there begins with 0.
func short(hash string) string {
	sum, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(hash, "h1:"))
	return "h" + hex.EncodeToString(sum)[:11]
}

// sums are the engine's own and those of the engine itself, in go's order.
func sums(engine string, name module.Version, files []zip.File) ([]byte, error) {
	own, err := os.ReadFile(filepath.Join(engine, "go.sum"))
	if err != nil {
		return nil, err
	}
	whole, err := hash(files, name.String()+"/")
	if err != nil {
		return nil, err
	}
	definition, err := hash([]zip.File{source{engine, "go.mod"}}, "")
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(own), "\n")
	place := slices.IndexFunc(lines, func(line string) bool { return line > name.Path || line == "" })
	return []byte(strings.Join(slices.Insert(lines, place,
		fmt.Sprintf("%s %s %s\n", name.Path, name.Version, whole),
		fmt.Sprintf("%s %s/go.mod %s\n", name.Path, name.Version, definition)), "")), nil
}

var goMod = template.Must(template.New("go.mod").Parse(`// Pins the engine, which lies beside this file, and what it is built with. Both come with the template: let no bot bump them.
module tools/migrate

go {{ .Go }}

tool (
{{- range .Programs }}
	{{ $.Engine.Path }}/cmd/{{ . }}
{{- end }}
)

require (
	{{ .Engine.Path }} {{ .Engine.Version }} // indirect
{{- range .Modules }}
	{{ .Path }} {{ .Version }} // indirect
{{- end }}
)
`))

// info names the version. What it says of the origin is long enough for git to see a file that was renamed, where a reviewer
// would else have to look at one that went and one that came.
var info = template.Must(template.New("info").Parse(`{
	"Version": "{{ .Engine.Version }}",
	"Origin": {
		"VCS": "git",
		"Subdir": "{{ .Folder }}"
	}
}
`))

// write replaces what the service held of any engine before. The names are those of a proxy:
// https://go.dev/ref/mod#goproxy-protocol.
func (s sealed) write(service string) error {
	var module bytes.Buffer
	if err := goMod.Execute(&module, s); err != nil {
		return err
	}
	var information bytes.Buffer
	if err := info.Execute(&information, s); err != nil {
		return err
	}
	proxy := filepath.Join(service, "engine")
	if err := os.RemoveAll(proxy); err != nil {
		return err
	}
	folder := filepath.Join(proxy, filepath.FromSlash(s.Engine.Path), "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for file, content := range map[string][]byte{
		filepath.Join(folder, s.Engine.Version+".info"): information.Bytes(),
		filepath.Join(folder, s.Engine.Version+".mod"):  s.definition,
		filepath.Join(folder, s.Engine.Version+".zip"):  s.archive,
		filepath.Join(service, "go.mod"):                module.Bytes(),
		filepath.Join(service, "go.sum"):                s.sums,
	} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
