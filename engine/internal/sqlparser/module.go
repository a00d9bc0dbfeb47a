package sqlparser

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	_ "github.com/wasilibs/go-pgquery/parser" // holds PostgreSQL's parser
	"github.com/wasilibs/wazero-helpers/allocator"
)

// go-pgquery compiles the parser anew in every process, which takes a second, and has no way to say where the compiled
// form may be kept. These are its parts; what is below does the same with a cache.
//
//go:linkname libPGQuery github.com/wasilibs/go-pgquery/internal/wasm.LibPGQuery
var libPGQuery []byte

//go:linkname instantiateHost github.com/wasilibs/go-pgquery/internal/wasix32v1.MustInstantiate
func instantiateHost(ctx context.Context, runtime wazero.Runtime)

//go:linkname callContext github.com/wasilibs/go-pgquery/internal/wasix32v1.BackgroundContext
func callContext() context.Context

// module is the parser in memory. It has one stack: callers take turns.
type module struct {
	sync.Mutex
	api.Module
}

// loaded compiles the parser when it is needed first, or finds its compiled form in the user's cache folder.
var loaded = sync.OnceValues(func() (*module, error) {
	ctx := experimental.WithMemoryAllocator(context.Background(), allocator.NewNonMoving())
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(compilationCache()).
		WithDebugInfoEnabled(false).
		WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesThreads))
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	instantiateHost(ctx, runtime)
	code, err := runtime.CompileModule(ctx, libPGQuery)
	if err != nil {
		return nil, err
	}
	instance, err := runtime.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithSysNanotime().WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	parser := &module{Module: instance}
	_, err = parser.call("pg_query_init")
	return parser, err
})

// compilationCache keeps the compiled parser where the user's other caches are, and nowhere if that cannot be written.
func compilationCache() wazero.CompilationCache {
	if folder, err := os.UserCacheDir(); err == nil {
		if cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(folder, "migrate", "parser")); err == nil {
			return cache
		}
	}
	return wazero.NewCompilationCache()
}

func (m *module) call(name string, arguments ...uint64) (uint64, error) {
	results, err := m.ExportedFunction(name).Call(callContext(), arguments...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[0], nil
}

// result are the two results of libpg_query that are used here: where in the struct the pointer to the error is.
type result struct {
	parse, free string
	size        uint64
	fault       uint32
}

var (
	tree   = result{"pg_query_parse", "pg_query_free_parse_result", 12, 8}
	bodies = result{"pg_query_parse_plpgsql", "pg_query_free_plpgsql_parse_result", 8, 4}
)

var errMemory = errors.New("the parser's memory cannot be read")

// free gives memory back. A module that cannot do even that fails at its next call.
func (m *module) free(function string, address uint64) { _, _ = m.call(function, address) }

// parse returns JSON. A text with a NUL byte ends there for the parser, and no server would take it.
func (m *module) parse(text string, form result) (json []byte, err error) {
	m.Lock()
	defer m.Unlock()
	input, err := m.call("malloc", uint64(len(text)+1))
	if err != nil {
		return nil, err
	}
	defer m.free("free", input)
	if !m.Memory().WriteString(uint32(input), text) || !m.Memory().WriteByte(uint32(input)+uint32(len(text)), 0) {
		return nil, errMemory
	}
	output, err := m.call("malloc", form.size)
	if err != nil {
		return nil, err
	}
	defer m.free("free", output)
	if _, err := m.call(form.parse, output, input); err != nil {
		return nil, err
	}
	defer m.free(form.free, output)
	fault, ok := m.Memory().ReadUint32Le(uint32(output) + form.fault)
	if !ok {
		return nil, errMemory
	}
	if fault != 0 {
		return nil, m.syntaxError(fault)
	}
	return m.text(uint32(output))
}

func (m *module) syntaxError(fault uint32) error {
	message, err := m.text(fault)
	if err != nil {
		return err
	}
	position, _ := m.Memory().ReadUint32Le(fault + 16)
	return &SyntaxError{Message: string(message), Position: int(position)}
}

// text reads the string that a pointer at an address points to.
func (m *module) text(address uint32) ([]byte, error) {
	pointer, ok := m.Memory().ReadUint32Le(address)
	if !ok {
		return nil, errMemory
	}
	const step = 64 << 10
	var text []byte
	for pointer != 0 {
		piece, ok := m.Memory().Read(pointer, min(step, m.Memory().Size()-pointer))
		if !ok || len(piece) == 0 {
			return nil, errMemory
		}
		if before, _, ok := bytes.Cut(piece, []byte{0}); ok {
			return append(text, before...), nil
		}
		text = append(text, piece...)
		pointer += uint32(len(piece))
	}
	return text, nil
}
