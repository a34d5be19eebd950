package leanfleet

import (
	"io"
	"slices"
)

// Streams are what a request carries beside its JSON.
type Streams struct {
	// Input is read where a request says "-".
	Input io.Reader
	// Output receives a file.
	Output io.Writer
	// Progress is told how far a long operation has come; 0, 0 begins its last
	// phase.
	Progress func(done, total int64)
	// Directory is where relative paths of the request begin; "" is the
	// process's own.
	Directory string
}

// Streamed is a request that carries streams.
type Streamed interface {
	// Streams returns those it carries.
	Streams() Streams
	// SetStreams replaces them.
	SetStreams(Streams)
}

// Streams returns the streams of the request; standard input only where it is
// asked for.
func (r *ImportRequest) Streams() Streams {
	s := Streams{Progress: r.Progress, Directory: r.Directory}
	if slices.Contains(r.Samples, "-") || slices.Contains(r.Inventory, "-") {
		s.Input = r.Stdin
	}
	return s
}

// SetStreams replaces the streams of the request.
func (r *ImportRequest) SetStreams(s Streams) {
	r.Stdin, r.Progress, r.Directory = s.Input, s.Progress, s.Directory
}

// Streams returns the streams of the request.
func (r *ExportRequest) Streams() Streams { return Streams{Output: r.Output} }

// SetStreams replaces the streams of the request.
func (r *ExportRequest) SetStreams(s Streams) { r.Output = s.Output }

// Streams returns the streams of the request.
func (r *SimulateRequest) Streams() Streams { return Streams{Progress: r.Progress} }

// SetStreams replaces the streams of the request.
func (r *SimulateRequest) SetStreams(s Streams) { r.Progress = s.Progress }
