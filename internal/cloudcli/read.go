package cloudcli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Format is a tool whose output is read.
type Format string

// The formats.
const (
	Auto  Format = "auto" // found out from the first machine
	AWS   Format = "aws-cli"
	Azure Format = "az-cli"
	GCP   Format = "gcloud"
)

// Formats lists the formats, Auto first.
func Formats() []Format { return []Format{Auto, AWS, Azure, GCP} }

// ParseFormat reads a format as --from names it; "" is Auto.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case "":
		return Auto, nil
	case "aws":
		return AWS, nil
	case "az", "azure", "azure-cli":
		return Azure, nil
	case "gcp", "google", "gcloud-cli":
		return GCP, nil
	default:
		if slices.Contains(Formats(), f) {
			return f, nil
		}
	}
	return "", fmt.Errorf("unknown format %q: use auto, aws-cli, az-cli or gcloud", s)
}

// Provider is the cloud of a tool, as records name it; "" of Auto.
func (f Format) Provider() string {
	return map[Format]string{AWS: "aws", Azure: "azure", GCP: "gcp"}[f]
}

// command is what prints a format.
func (f Format) command() string {
	switch f {
	case AWS:
		return "aws ec2 describe-instances --output json"
	case Azure:
		return "az vm list -d -o json"
	case GCP:
		return "gcloud compute instances list --format json"
	}
	return "any of the clouds' tools"
}

// Options say how an output is to be read.
type Options struct {
	// Format of the output; "" is Auto.
	Format Format
	// Stdin is read for the path "-"; nil is the process's own.
	Stdin io.Reader
	// Directory is where a relative path begins; "" is the process's own.
	Directory string
}

// maxInput is how long an output may be, unpacked: a hundred thousand machines
// of EC2 have some 600 MB.
const maxInput = 2 << 30

// maxMistakes is how many mistakes are told at once.
const maxMistakes = 20

// Read reads an output from a file, plain or gzip; the path "-" is standard
// input. Mistakes name the file and the machine or, of text that is no JSON, line
// and column; up to 20 are told at once, and then nothing is stated. Output of
// another tool than asked for is an error that says what it looks like.
func Read(ctx context.Context, path string, o Options) (Inventory, error) {
	name, data, err := load(ctx, path, o)
	if err != nil {
		return Inventory{}, err
	}
	return Parse(name, data, o.Format)
}

func load(ctx context.Context, path string, o Options) (name string, data []byte, err error) {
	if err := context.Cause(ctx); err != nil {
		return "", nil, err
	}
	name = path
	var in io.Reader
	if path == "-" {
		name = "standard input"
		if in = o.Stdin; in == nil {
			in = os.Stdin
		}
	} else {
		if o.Directory != "" && !filepath.IsAbs(path) {
			path = filepath.Join(o.Directory, path)
		}
		f, err := os.Open(path)
		if err != nil {
			return "", nil, err
		}
		defer f.Close()
		in = f
	}
	text := bufio.NewReader(in)
	in = text
	if magic, err := text.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(text)
		if err != nil {
			return "", nil, fmt.Errorf("%s: the gzip data is damaged: %w", name, err)
		}
		in = z
	}
	data, err = io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", nil, fmt.Errorf("%s: the gzip data ends early, the file is truncated", name)
	case err != nil:
		return "", nil, fmt.Errorf("%s: %w", name, err)
	case len(data) > maxInput:
		return "", nil, fmt.Errorf("%s: longer than 2 GiB: read regions or accounts one by one", name)
	}
	return name, data, nil
}

// Parse reads an output that lies in memory; name stands for it in mistakes.
func Parse(name string, data []byte, want Format) (Inventory, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if want == "" {
		want = Auto
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Inventory{}, fmt.Errorf("%s: it is empty; it should be what %q prints", name, want.command())
	}
	p := parser{name: name, want: want, found: want}
	if err := p.documents(data); err != nil {
		return Inventory{}, errors.Join(append(p.mistakes, err)...)
	}
	if len(p.mistakes) > 0 {
		if len(p.mistakes) >= maxMistakes {
			p.mistakes = append(p.mistakes, fmt.Errorf("%s: the first %d mistakes are shown", name, maxMistakes))
		}
		return Inventory{}, errors.Join(p.mistakes...)
	}
	inv := Inventory{Format: p.found, Machines: len(p.listed), Statements: p.statements, Listed: p.listed, Truncated: len(p.counts.truncated) > 0,
		Notes: p.notes(), volumes: p.volumes}
	Join([]Inventory{inv})
	return inv, nil
}
