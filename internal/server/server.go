package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
)

// Prefix is the path below which operations are asked for, by name.
const Prefix = "/api/v1/leanfleet/"

// maxRequest bounds the JSON of a request.
const maxRequest = 64 << 20

// Settings are those a client was started with.
type Settings struct {
	// Config is its configuration file with variables and flags applied, as
	// YAML.
	Config string `json:"config"`
	// Who is named in the history of records.
	Who string `json:"who"`
	// Directory is where it was started.
	Directory string `json:"directory"`
	// Version is the client's program.
	Version string `json:"version"`
	// Patience is how long the client waits for the process that holds the
	// directory to say that it is there, and for the first word of each answer; 0 is
	// five seconds for the one and half a minute for the other. It says both at
	// once, however long the answer takes.
	Patience time.Duration `json:"-"`
}

// Options say for what a server answers.
type Options struct {
	// Monitor answers requests that come without settings.
	Monitor *leanfleet.Monitor
	// Session returns the Monitor that answers for a client's settings.
	Session func(Settings) (*leanfleet.Monitor, error)
	// Version is the program's, for clients of another one.
	Version string
	// Log is told of what no client can be told; nil is silent.
	Log *slog.Logger

	slots *slots // those of answers under way
}

// envelope is the first line of a client's request.
type envelope struct {
	Settings Settings        `json:"settings"`
	Request  json.RawMessage `json:"request"`
	// Input says that what follows the line is the request's input.
	Input bool `json:"input,omitempty"`
}

// Handler answers operations by POST and lists them by GET.
func Handler(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.slots = newSlots()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"{$}", func(w http.ResponseWriter, _ *http.Request) { listOperations(w) })
	mux.HandleFunc("POST "+Prefix+"{operation}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerVersion, o.Version)
		op, ok := leanfleet.FindOperation(r.PathValue("operation"))
		switch {
		case !ok:
			fail(w, http.StatusNotFound, fmt.Errorf("unknown operation %q%s", r.PathValue("operation"), fleet.DidYouMean(r.PathValue("operation"), names())))
		case strings.HasPrefix(r.Header.Get("Content-Type"), typeEnvelope):
			o.serveFrames(w, r, op)
		default:
			o.serveJSON(w, r, op)
		}
	})
	return mux
}

func names() []string {
	var list []string
	for _, op := range leanfleet.Operations() {
		list = append(list, op.Name)
	}
	return list
}

func listOperations(w http.ResponseWriter) {
	type line struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
		Writes  bool   `json:"writes"`
	}
	var list []line
	for _, op := range leanfleet.Operations() {
		list = append(list, line{op.Name, op.Summary, op.Writes})
	}
	reply(w, http.StatusOK, list)
}

func reply(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON form"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // nobody is left to be told
}

func fail(w http.ResponseWriter, status int, err error) { reply(w, status, describe(err)) }

// serveJSON answers a Request as it is with a Result as it is.
func (o *Options) serveJSON(w http.ResponseWriter, r *http.Request, op leanfleet.Operation) {
	request := op.NewRequest()
	if _, ok := request.(leanfleet.Streamed); ok {
		fail(w, http.StatusBadRequest, fmt.Errorf("operation %s reads or writes files: run it on the command line", op.Name))
		return
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(request); err != nil && !errors.Is(err, io.EOF) {
		fail(w, http.StatusBadRequest, fmt.Errorf("operation %s: read the request: %w", op.Name, err))
		return
	}
	slot, err := o.slots.slot(r.Context(), op, false)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	defer slot.release() // also when the operation panics
	result, err := op.Run(r.Context(), o.Monitor, request)
	slot.release() // the client takes the answer as slowly as it likes
	if err != nil {
		status := http.StatusInternalServerError
		if describe(err).Request {
			status = http.StatusBadRequest
		}
		fail(w, status, err)
		return
	}
	reply(w, http.StatusOK, result)
}

// serveFrames answers a client of this package.
func (o *Options) serveFrames(w http.ResponseWriter, r *http.Request, op leanfleet.Operation) {
	// Answers begin while input is still read.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", typeFrames)
	w.WriteHeader(http.StatusOK)
	out := &frameWriter{w: w}
	out.err = http.NewResponseController(w).Flush() // somebody is there
	result, err := o.runFrames(r.Context(), r.Body, out, op)
	if result != nil {
		data, jsonErr := json.Marshal(result)
		switch {
		case jsonErr != nil:
			err = errors.Join(err, fmt.Errorf("operation %s: put the answer into JSON: %w", op.Name, jsonErr))
		case len(data) > maxFrame:
			err = errors.Join(err, fmt.Errorf("operation %s: an answer of %d bytes is larger than %d: ask for less", op.Name, len(data), maxFrame))
		default:
			out.frame(frameResult, data)
		}
	}
	if err != nil {
		data, _ := json.Marshal(describe(err)) // strings only
		out.frame(frameError, data)
	} else {
		out.frame(frameEnd, nil)
	}
	if out.err != nil {
		o.Log.Info("a client went away before its answer", "operation", op.Name, "error", out.err)
	}
}

// runFrames runs what an envelope asks for.
func (o *Options) runFrames(ctx context.Context, body io.Reader, out *frameWriter, op leanfleet.Operation) (any, error) {
	head := &io.LimitedReader{R: body, N: maxRequest}
	d := json.NewDecoder(head)
	var e envelope
	if err := d.Decode(&e); err != nil {
		if head.N == 0 {
			return nil, fmt.Errorf("operation %s: the request is larger than %d bytes", op.Name, maxRequest)
		}
		return nil, fmt.Errorf("operation %s: read the request: %w", op.Name, err)
	}
	if !e.Input {
		// To the end: only then a client that goes away is noticed.
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, fmt.Errorf("operation %s: read the request: %w", op.Name, err)
		}
	}
	request := op.NewRequest()
	strict := json.NewDecoder(bytes.NewReader(e.Request))
	strict.DisallowUnknownFields() // what a newer client asks for is never left out
	if err := strict.Decode(request); err != nil {
		return nil, &misfit{fmt.Errorf("operation %s: read the request: %w", op.Name, err)}
	}
	slot, err := o.slots.slot(ctx, op, e.Input)
	if err != nil {
		return nil, err
	}
	out.lend(ctx, slot)
	defer func() {
		out.lend(ctx, nil)
		slot.release()
	}()
	m, err := o.Session(e.Settings)
	if err != nil {
		return nil, &misfit{err}
	}
	if s, ok := request.(leanfleet.Streamed); ok {
		streams := leanfleet.Streams{Output: outputFrames{out}, Progress: out.progress, Directory: e.Settings.Directory}
		if e.Input {
			streams.Input = &afterLine{r: io.MultiReader(d.Buffered(), body)}
		}
		s.SetStreams(streams)
	}
	return op.Run(ctx, m, request)
}

// afterLine is a reader without the line feed that ends an envelope.
type afterLine struct {
	r    io.Reader
	past bool
}

func (a *afterLine) Read(p []byte) (int, error) {
	for !a.past {
		var one [1]byte
		if _, err := io.ReadFull(a.r, one[:]); err != nil {
			return 0, err
		}
		a.past = one[0] == '\n'
	}
	return a.r.Read(p)
}

// frameWriter writes frames, one at a time, and keeps the first error.
type frameWriter struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	err  error
	ctx  context.Context // of the slot
	slot *slot           // that others have while a client does not read
}

// lend says whose slot others may have while a frame is not read; nil is nobody's.
func (f *frameWriter) lend(ctx context.Context, s *slot) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx, f.slot = ctx, s
}

func (f *frameWriter) frame(kind byte, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	f.err = f.slot.write(f.ctx, func() error {
		if err := writeFrame(f.w, kind, payload); err != nil {
			return err
		}
		return http.NewResponseController(f.w).Flush()
	}, func() {
		_ = http.NewResponseController(f.w).SetWriteDeadline(time.Unix(1, 0)) // a connection that cannot be cut ends by itself
	})
}

func (f *frameWriter) progress(done, total int64) {
	data, _ := json.Marshal(progress{done, total}) // numbers only
	f.frame(frameProgress, data)
}

// progress is how far an operation has come.
type progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// outputFrames writes the bytes of a file as frames.
type outputFrames struct{ f *frameWriter }

func (o outputFrames) Write(p []byte) (int, error) {
	o.f.frame(frameOutput, p)
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	if o.f.err != nil {
		return 0, o.f.err
	}
	return len(p), nil
}
