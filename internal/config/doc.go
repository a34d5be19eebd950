// Package config is the one schema for all of leanfleet's settings: what keys
// there are, their types, units and defaults, how a file in YAML or JSON is
// read, and how environment variables overlay it.
//
//	cfg, err := config.Resolve("", os.LookupEnv)
//	if err != nil {
//		return err // every mistake, each with file, line and column
//	}
//
// # Precedence
//
// A flag beats an environment variable LEANFLEET_..., which beats the file,
// which beats the default. [Resolve] does the last three; flags belong to the
// command.
//
// # Strictness
//
// Nothing is guessed. An unknown key, a key given twice, a value of the wrong
// type, a variable that is not set and a second document are mistakes, and
// [Parse] reports all mistakes of a file at once as [*Errors]. Values, but not
// keys, may refer to environment variables as ${NAME} or ${NAME:-default}; $$
// is a literal dollar.
//
// # One source
//
// The structs of this package and their comments are the only place where a
// setting is described. A test makes schema.json from them; the JSON Schema
// that leanfleet publishes, the comments of [Marshal] and the table of keys in
// the documentation all come from it.
//
// The package reads files only in [Load] and [Resolve], reads the environment
// only through the function it is given, and keeps no state.
package config
