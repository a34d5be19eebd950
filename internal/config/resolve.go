package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// FileName is the name of the configuration file in the user's configuration
// directory.
const FileName = "leanfleet.yaml"

// FileVariable is the environment variable that names the configuration file.
const FileVariable = "LEANFLEET_CONFIG"

// Load reads the settings of a file over the defaults, as [Parse] does. A
// relative data directory, and relative files of prices, start at the directory
// of the file. An error of
// opening the file wraps the system's; other errors are [*Errors].
func Load(path string, env Env) (*Config, error) {
	cfg, problems, err := load(path, env)
	if err != nil {
		return nil, err
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func load(path string, env Env) (*Config, problems, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	cfg, problems := parse(path, data, env)
	if cfg.Data != "" && !filepath.IsAbs(cfg.Data) {
		cfg.Data = filepath.Join(filepath.Dir(path), cfg.Data)
	}
	for _, name := range slices.Concat(cfg.Prices.files(), cfg.Prometheus.files()) {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	return cfg, problems, nil
}

// Resolve returns the settings in effect before flags, and the file they come
// from, empty for none. The file is path (what a flag names); if that is empty
// the one that LEANFLEET_CONFIG names; if that is unset or empty the one of
// [DefaultFile], which alone may be missing. [ApplyEnv] goes over it. Mistakes in
// the file and in variables are reported together as [*Errors].
func Resolve(path string, env Env) (cfg *Config, file string, err error) {
	named := path != ""
	if !named {
		path, _ = env(FileVariable)
		named = path != ""
	}
	if !named {
		path = DefaultFile(env)
	}
	cfg = Default()
	var found problems
	if path != "" {
		loaded, problems, err := load(path, env)
		switch {
		case err == nil:
			cfg, found, file = loaded, problems, path
		case named || !errors.Is(err, fs.ErrNotExist):
			return nil, path, err
		}
	}
	found = append(found, applyEnv(cfg, env)...)
	if err := found.err(); err != nil {
		return nil, file, err
	}
	return cfg, file, nil
}

// ApplyEnv overlays the settings with the variables that [Keys] lists: every
// key with a single value has one, LEANFLEET_LIMIT for limit and
// LEANFLEET_IMPORT_STEP for import.step. A variable that is unset or empty
// changes nothing. The error is an [*Errors] with every mistake; the settings
// are then partly changed.
func ApplyEnv(cfg *Config, env Env) error { return applyEnv(cfg, env).err() }

func applyEnv(cfg *Config, env Env) problems {
	var found problems
	given := map[string]string{} // key to variable
	var overlay func(v reflect.Value, prefix string)
	overlay = func(v reflect.Value, prefix string) {
		for _, f := range fieldsOf(v.Type()) {
			path := join(prefix, f.name)
			switch k := kindOf(f.typ); {
			case k == kindSection:
				overlay(v.Field(f.index), path)
			case k.scalar():
				name := variable(path)
				text, set := env(name)
				if !set || text == "" {
					continue
				}
				if err := setScalar(v.Field(f.index), text); err != nil {
					found.add(Problem{Path: name, Message: err.Error()})
					continue
				}
				given[path] = name
			}
		}
	}
	overlay(reflect.ValueOf(cfg).Elem(), "")
	validate(cfg, func(path, message string) {
		if name, ok := given[path]; ok {
			found.add(Problem{Path: name, Message: message})
		}
	})
	return found
}

// variable is the environment variable of a key with a single value.
func variable(path string) string {
	return "LEANFLEET_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// DefaultFile returns the path of the user's configuration file, which need not
// exist: leanfleet/leanfleet.yaml in $XDG_CONFIG_HOME, else in ~/.config, on
// Windows in %AppData%. It is empty when the environment names no such place.
func DefaultFile(env Env) string {
	dir := userDirectory(env, runtime.GOOS, "XDG_CONFIG_HOME", ".config", "AppData")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "leanfleet", FileName)
}

// DataDirectory returns the directory of the store: the key data, or where that
// is empty leanfleet in $XDG_DATA_HOME, else in ~/.local/share, on Windows in
// %LocalAppData%.
func (c *Config) DataDirectory(env Env) (string, error) {
	if c.Data != "" {
		return c.Data, nil
	}
	dir := userDirectory(env, runtime.GOOS, "XDG_DATA_HOME", filepath.Join(".local", "share"), "LocalAppData")
	if dir == "" {
		return "", errors.New("no data directory: the user has no home directory; give one with --data or LEANFLEET_DATA")
	}
	return filepath.Join(dir, "leanfleet"), nil
}

// userDirectory returns the first that is set of: on Windows the variable
// windows, elsewhere the variable xdg if absolute, or underHome in HOME.
func userDirectory(env Env, goos, xdg, underHome, windows string) string {
	if goos == "windows" {
		dir, _ := env(windows)
		return dir
	}
	if dir, _ := env(xdg); filepath.IsAbs(dir) {
		return dir
	}
	if home, _ := env("HOME"); home != "" {
		return filepath.Join(home, underHome)
	}
	return ""
}
