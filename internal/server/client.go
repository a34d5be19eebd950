package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/leanfleet/leanfleet"
)

// Client runs operations in the process that holds a data directory.
type Client struct {
	dir      string
	settings Settings
	http     *http.Client
	first    chan net.Conn // the connection that was made to see whether there is somebody
}

// Connect finds the process that answers for a data directory. Without one it
// returns nil and no error. One that is there and does not say so within
// [Settings.Patience] is an error that names it: it is stopped, for instance.
func Connect(ctx context.Context, dir string, s Settings) (*Client, error) {
	c, err := connect(ctx, dir, s)
	if errors.Is(err, errEnded) { // it closed its socket while it was asked: nobody is there, or somebody else
		c, err = connect(ctx, dir, s)
	}
	return c, err
}

// errEnded says that the other side ended a connection that it had not yet
// answered on.
var errEnded = errors.New("it ended the connection")

func connect(ctx context.Context, dir string, s Settings) (*Client, error) {
	c := &Client{dir: dir, settings: s}
	conn, err := c.dial(ctx)
	if absent(err) {
		return nil, nil
	}
	if errors.Is(err, syscall.EAGAIN) { // others wait for it already, more than the system lets wait
		return nil, fmt.Errorf("the process that holds %s answers nobody: is it stopped?", dir)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s belongs to another user, who alone may ask the process that holds it: run this as that user: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the process that holds %s: %w", dir, err)
	}
	watched := &watchedConn{Conn: conn}
	c.first = make(chan net.Conn, 1)
	c.first <- watched
	c.http = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: cmp.Or(s.Patience, 30*time.Second), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case conn := <-c.first:
			return conn, nil
		default:
			return c.dial(ctx)
		}
	}}}
	holder := peer(conn)
	if err := c.greet(ctx, holder, cmp.Or(s.Patience, patience)); err != nil {
		c.Close()
		if watched.ended.Load() && ctx.Err() == nil {
			return nil, fmt.Errorf("ask the process that holds %s: %w", dir, errEnded)
		}
		return nil, err
	}
	return c, nil
}

// watchedConn knows whether the other side ended it: what net/http says then
// depends on when it notices.
type watchedConn struct {
	net.Conn
	ended atomic.Bool
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		c.ended.Store(true)
	}
	return n, err
}

// patience is how long a process that holds a directory has to say that it is
// there. It does at once, whatever it is doing, but machines may be very
// busy.
const patience = 5 * time.Second

// greet asks the process that holds the directory for something that it knows by
// heart, so that one that is stopped is noticed before it is waited for.
func (c *Client) greet(ctx context.Context, holder int, patience time.Duration) error {
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(soon, http.MethodGet, "http://leanfleet"+Prefix, nil)
	if err != nil {
		return fmt.Errorf("ask the process that holds %s: %w", c.dir, err)
	}
	answer, err := c.http.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		err = errors.Join(err, answer.Body.Close())
	}
	var waited net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &waited) && waited.Timeout() && holder > 0:
		return fmt.Errorf("process %d holds %s and has not answered for %s: is it stopped?\n\"kill -CONT %d\" lets a stopped one go on", holder, c.dir, patience, holder)
	case errors.As(err, &waited) && waited.Timeout():
		return fmt.Errorf("the process that holds %s has not answered for %s: is it stopped?", c.dir, patience)
	case errors.Is(err, syscall.EPIPE) || absent(err):
		return fmt.Errorf("ask the process that holds %s: %w", c.dir, errEnded)
	}
	return fmt.Errorf("ask the process that holds %s: %w", c.dir, err)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var conn net.Conn
	err := short(c.dir, SocketName, func(name string) (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", name)
		return err
	})
	return conn, err
}

// Close ends the connection.
func (c *Client) Close() {
	select {
	case conn := <-c.first:
		_ = conn.Close() // nothing was sent
	default:
	}
	c.http.CloseIdleConnections()
}

// Run runs an operation there: the request is a pointer to its Request, and
// the answer its Result, not a pointer. A Result may come beside an error.
func (c *Client) Run(ctx context.Context, op leanfleet.Operation, request any) (any, error) {
	var streams leanfleet.Streams
	if s, ok := request.(leanfleet.Streamed); ok {
		streams = s.Streams()
	}
	body, err := c.body(op, request, streams)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://leanfleet"+Prefix+op.Name, body)
	if err != nil {
		return nil, fmt.Errorf("operation %s: %w", op.Name, err)
	}
	r.Header.Set("Content-Type", typeEnvelope)
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var waited net.Error
		if errors.As(err, &waited) && waited.Timeout() {
			return nil, fmt.Errorf("operation %s: the process that holds %s does not answer: is it stopped?", op.Name, c.dir)
		}
		return nil, fmt.Errorf("operation %s: ask the process that holds %s: %w", op.Name, c.dir, errors.Unwrap(err))
	}
	defer answer.Body.Close()
	there := answer.Header.Get(headerVersion)
	if answer.Header.Get("Content-Type") != typeFrames {
		return nil, c.versions(there, refused(op, answer))
	}
	result, err := readAnswer(bufio.NewReaderSize(answer.Body, 1<<16), op, streams)
	if ctx.Err() != nil && errors.Is(err, errCut) {
		err = ctx.Err()
	}
	return result, c.versions(there, err)
}

// versions says of a misunderstanding between two versions that it is one.
func (c *Client) versions(there string, err error) error {
	var m *misfit
	if err == nil || there == c.settings.Version || !errors.As(err, &m) {
		return err
	}
	return fmt.Errorf("%w\nThe process that holds %s is leanfleet %s, this is %s: restart it as this version, or ask with that one", err, c.dir, cmp.Or(there, "of another version"), cmp.Or(c.settings.Version, "of none"))
}

// refused is the error of an answer that is not one.
func refused(op leanfleet.Operation, answer *http.Response) error {
	var f failure
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&f); err != nil || f.Message == "" {
		return &misfit{fmt.Errorf("operation %s: the process that holds the directory answers %s", op.Name, answer.Status)}
	}
	return &misfit{f.restore()}
}

// body is the envelope, then the input.
func (c *Client) body(op leanfleet.Operation, request any, s leanfleet.Streams) (io.Reader, error) {
	data, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("operation %s: put the request into JSON: %w", op.Name, err)
	}
	settings := c.settings
	if s.Directory != "" {
		settings.Directory = s.Directory
	}
	if settings.Directory, err = filepath.Abs(settings.Directory); err != nil {
		return nil, fmt.Errorf("operation %s: %w", op.Name, err)
	}
	line, err := json.Marshal(envelope{Settings: settings, Request: data, Input: s.Input != nil})
	if err != nil {
		return nil, fmt.Errorf("operation %s: put the request into JSON: %w", op.Name, err)
	}
	head := bytes.NewReader(append(line, '\n'))
	if s.Input == nil {
		return head, nil
	}
	return io.MultiReader(head, s.Input), nil
}

// readAnswer takes the frames of an answer to where they belong.
func readAnswer(r io.Reader, op leanfleet.Operation, s leanfleet.Streams) (result any, err error) {
	for {
		kind, payload, err := readFrame(r)
		if err != nil {
			return result, fmt.Errorf("operation %s: %w", op.Name, err)
		}
		switch kind {
		case frameProgress:
			var p progress
			if err := json.Unmarshal(payload, &p); err != nil {
				return result, &misfit{fmt.Errorf("operation %s: read the progress: %w", op.Name, err)}
			}
			if s.Progress != nil {
				s.Progress(p.Done, p.Total)
			}
		case frameOutput:
			if s.Output == nil {
				return result, fmt.Errorf("operation %s: the answer is a file, and none is open for it", op.Name)
			}
			if _, err := s.Output.Write(payload); err != nil {
				return result, err
			}
		case frameResult:
			if result, err = decodeResult(op, payload); err != nil {
				return nil, &misfit{err}
			}
		case frameError:
			var f failure
			if err := json.Unmarshal(payload, &f); err != nil {
				return result, &misfit{fmt.Errorf("operation %s: read the error: %w", op.Name, err)}
			}
			if f.Misfit {
				return result, &misfit{f.restore()}
			}
			return result, f.restore()
		case frameEnd:
			return result, nil
		default:
			return result, &misfit{fmt.Errorf("operation %s: frame %q is not known", op.Name, kind)}
		}
	}
}

// decodeResult returns the Result, as the operation itself would.
func decodeResult(op leanfleet.Operation, data []byte) (any, error) {
	pointer := op.NewResult()
	if err := json.Unmarshal(data, pointer); err != nil {
		return nil, fmt.Errorf("operation %s: read the answer: %w", op.Name, err)
	}
	v := reflect.ValueOf(pointer).Elem()
	named(v, "")
	return v.Interface(), nil
}
