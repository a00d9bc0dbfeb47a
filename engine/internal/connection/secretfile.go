package connection

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

// Secret reads a variable that may also be given as a file: NAME, or NAME_FILE with the path of a file that holds it.
func Secret(settings config.Settings, secret config.SecretVariable) (config.Setting, error) {
	value, file := settings.Get(secret.Variable), settings.Get(secret.File)
	switch {
	case !file.Present() || value.Source > file.Source:
		return value, nil
	case value.Present() && value.Source == file.Source:
		return config.Setting{}, failure.Refused("%s and %s are both set: keep one of them", secret.Name, file.Name)
	}
	content, err := os.ReadFile(file.Value)
	if err != nil {
		var pathError *fs.PathError
		errors.As(err, &pathError)
		return config.Setting{}, failure.Refused("%s names %s, which cannot be read (%s): mount the secret there, or correct %s",
			file.Name, describePath(file.Value), pathError.Err, file.Name)
	}
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" {
		return config.Setting{}, failure.Refused("%s names %s, which is empty: write the value into the file",
			file.Name, describePath(file.Value))
	}
	return config.Setting{Name: file.Name, Value: text, Source: file.Source}, nil
}

// describePath repeats a path, and nothing that may be the secret itself, put where the path belongs.
func describePath(value string) string {
	if filepath.IsAbs(value) || strings.HasPrefix(value, "./") || strings.HasPrefix(value, "../") {
		return strconv.Quote(value)
	}
	return "a file"
}
