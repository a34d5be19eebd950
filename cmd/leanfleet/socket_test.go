package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/server"
)

// besideVar makes each command of a script run beside a process that holds the
// data directory.
const besideVar = "LEANFLEET_TEST_BESIDE"

// alone are scripts about what only a process of its own can do, and why.
func alone() map[string]string {
	return map[string]string{}
}

// TestScriptsBesideAWriter: every verb prints the same beside a process that
// holds the data directory as it does alone.
func TestScriptsBesideAWriter(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	p := scripts(besideVar + "=1")
	p.Files = slices.DeleteFunc(files, func(f string) bool {
		return alone()[strings.TrimSuffix(filepath.Base(f), ".txtar")] != ""
	})
	testscript.Run(t, p)
}

// runBeside runs a command line while a store that is already there is held,
// and answered for, as another process would.
func runBeside(a *app, args []string) int {
	held := map[string]func() error{}
	a.connectTo = func(ctx context.Context, dir string, s server.Settings) (*server.Client, error) {
		if _, err := os.Stat(filepath.Join(dir, "leanfleet.db")); err == nil && held[dir] == nil {
			release, err := hold(a, dir)
			if err != nil {
				return nil, err
			}
			held[dir] = release
		}
		return server.Connect(ctx, dir, s)
	}
	code := a.run(context.Background(), args)
	for _, release := range held {
		if err := release(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitFailed
		}
	}
	return code
}

// hold opens a directory for writing and answers on its socket.
func hold(a *app, dir string) (end func() error, err error) {
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	o.Dir, o.Prices, o.Who = dir, leanfleet.PriceOptions{}, "the holder"
	o.Sets, o.Hours, o.Blackouts, o.Timezone = nil, nil, nil, ""
	m, err := leanfleet.Open(context.Background(), o)
	if err != nil {
		return nil, err
	}
	l, err := server.Listen(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, l, server.Handler(server.Options{Monitor: m, Session: func(s server.Settings) (*leanfleet.Monitor, error) { return a.session(m, s) }}))
	}()
	return func() error {
		cancel()
		if err := <-done; err != nil {
			return err
		}
		return m.Close()
	}, nil
}
