// Command leanfleet measures fleets of virtual machines and answers questions
// about what they use. Run it without arguments for the list of verbs.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/server"
	"github.com/leanfleet/leanfleet/pricing"
)

// Exit codes of all verbs but checks, which follow monitoring plugins.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env: os.LookupEnv, now: time.Now,
		style:    report.DetectStyle(os.Stdout, os.Getenv),
		errStyle: report.DetectStyle(os.Stderr, os.Getenv),
	}
	// A run is short: collecting garbage less often makes large questions faster,
	// as long as there is not much of it.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(384 << 20)
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is one run of the command: where it reads and writes, and what the
// configuration and the flags say.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      config.Env
	now      func() time.Time
	style    report.Style // of out
	errStyle report.Style // of err

	config     *config.Config
	configFile string // "" when there is none
	flags      flags
	engine     engineFlags
	sources    []pricing.PriceSource // of the verb that updates prices
	// connectTo finds the process that holds a data directory; nil is
	// server.Connect.
	connectTo func(context.Context, string, server.Settings) (*server.Client, error)
}

// exitError carries an exit code; its error is printed when it is not nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as wrong usage.
func usage(err error) error { return &exitError{exitUsage, err} }

// run runs the command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var request *fleet.RequestError
	if errors.As(err, &request) {
		err = usage(err)
	}
	var e *exitError
	code := exitFailed
	if errors.As(err, &e) {
		code = e.code
		err = e.err
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted; nothing was left half done")
	}
	if err != nil {
		a.complain(err)
	}
	return code
}
