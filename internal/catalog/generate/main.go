// Command generate turns a folder of public facts about instance types (CSV
// files, see docs/catalog.md) into the embedded catalogue of leanfleet.
//
//	go run ./internal/catalog/generate --from DIR --out internal/catalog/catalog.bin
//
// It refuses a bad row with file and line and then writes nothing. The same
// folder gives the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// version names this generator in the catalogue. It changes whenever a rule or
// the form changes.
const version = "1"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command; it returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from := flags.String("from", "", "folder with the source files")
	out := flags.String("out", "", "file to write")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if *from == "" || *out == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "generate: both --from DIR and --out FILE are needed, and nothing else")
		return 2
	}
	if err := generate(*from, *out, stdout); err != nil {
		fmt.Fprintf(stderr, "generate: %v\n", err)
		return 1
	}
	return 0
}

// generate reads the folder and replaces the file.
func generate(from, out string, stdout io.Writer) error {
	source, err := read(from)
	if err != nil {
		return err
	}
	data, err := catalog.Encode(source)
	if err != nil {
		return err
	}
	if err := replace(out, data); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d bytes, %d types, %d families, %d regions, %d prices, %d components, facts up to %s\n",
		out, len(data), len(source.Types), len(source.Families), len(source.Regions), len(source.Offers),
		len(source.Components), source.Info.Date.Format("2006-01-02"))
	return nil
}

// replace writes the file beside its place and renames it, so that a build
// never embeds half a catalogue.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".catalog-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
