package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// SocketName is the name of the socket in a data directory.
const SocketName = "leanfleet.sock"

// maxSocketPath is the longest path that every system takes for a socket.
const maxSocketPath = 100

// Listen makes the socket of a data directory. The caller holds the directory
// for writing, so a socket that lies there is of a process that died, and is
// replaced. Closing the listener removes the socket.
func Listen(dir string) (net.Listener, error) {
	if err := private(dir); err != nil {
		return nil, fmt.Errorf("listen in %s: %w", dir, err)
	}
	path := filepath.Join(dir, SocketName)
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("listen on %s: it is no socket and is left alone; move it away", path)
	}
	// Made beside its place and moved there when its mode is right, so that at no
	// moment anybody else can connect.
	made := path + ".new"
	if err := errors.Join(gone(os.Remove(made)), gone(os.Remove(path))); err != nil {
		return nil, fmt.Errorf("replace a stale socket: %w", err)
	}
	var l net.Listener
	err := short(dir, filepath.Base(made), func(name string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close(), gone(os.Remove(made)))
	}
	return &listener{Listener: l, path: path}, nil
}

// gone is the error of a removal, nil where there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Private makes a directory that is there its owner's alone. One that is
// everybody's, such as /tmp, is refused. Listen does it, too; before something is
// put into the directory is better.
func Private(dir string) error {
	if err := private(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("use %s: %w", dir, err)
	}
	return nil
}

func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return err
	}
	if info.Mode()&os.ModeSticky != 0 {
		return errors.New("the directory is shared by all users: name one for leanfleet alone")
	}
	if err := os.Chmod(dir, info.Mode().Perm()&0o700); err != nil {
		return fmt.Errorf("keep others out of the directory: %w", err)
	}
	return nil
}

// listener removes its socket when it is closed.
type listener struct {
	net.Listener
	path string
}

// Close stops listening and removes the socket.
func (l *listener) Close() error { return errors.Join(gone(os.Remove(l.path)), l.Listener.Close()) }

// short calls use with a name of a file in a directory that is short enough
// for a socket, whatever the directory is called.
func short(dir, name string, use func(name string) error) error {
	path := filepath.Join(dir, name)
	if len(path) <= maxSocketPath {
		return use(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the path of the socket has %d bytes, more than the %d that a socket may have: choose a shorter data directory", len(path), maxSocketPath)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name))
}

// Serve answers on a listener until the context ends, then lets what is being
// answered finish, for ten seconds. When it returns nothing is answered any more.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return serveFor(ctx, l, h, 10*time.Second)
}

// serveFor is Serve with the time that answers have to finish.
func serveFor(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	var underWay sync.WaitGroup
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		underWay.Add(1)
		defer underWay.Done()
		h.ServeHTTP(w, r)
	})
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s := &http.Server{Handler: counted, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return requests }}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.Shutdown(late)
	<-failed // it has ended
	if err != nil {
		err = errors.Join(fmt.Errorf("end the answers under way: %w", err), s.Close())
	}
	end()
	underWay.Wait()
	return err
}

// absent says that nobody listens on a socket.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR)
}
