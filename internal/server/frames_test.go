package server

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// TestFrames: what is written is read, and a stream cut anywhere says so.
func TestFrames(t *testing.T) {
	var b bytes.Buffer
	big := bytes.Repeat([]byte("x"), 100_000)
	for _, p := range [][]byte{[]byte("{}"), nil, big} {
		if err := writeFrame(&b, frameOutput, p); err != nil {
			t.Fatal(err)
		}
	}
	whole := b.Bytes()
	r := bytes.NewReader(whole)
	for _, want := range [][]byte{[]byte("{}"), nil, big} {
		kind, got, err := readFrame(r)
		if kind != frameOutput || !bytes.Equal(got, want) || err != nil {
			t.Errorf("%q, %d bytes, %v", kind, len(got), err)
		}
	}
	for n := range 12 {
		r := bytes.NewReader(whole[:n])
		err := error(nil)
		for err == nil {
			_, _, err = readFrame(r)
		}
		if !errors.Is(err, errCut) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, _, err := readFrame(bytes.NewReader([]byte("HTTP/1.1 400"))); err == nil {
		t.Error("text passed for a frame")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("r\x00\x00\x00\x02{}"))
	f.Add([]byte("HTTP/1.1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		for range 100 {
			if _, payload, err := readFrame(r); err != nil {
				return
			} else if len(payload) > len(data) {
				t.Fatal("more than there was")
			}
		}
	})
}

// TestFailures: every error that callers look for is found on the other side.
func TestFailures(t *testing.T) {
	for _, k := range kinds() {
		err := describe(fmt.Errorf("open: %w", k.err)).restore()
		if !errors.Is(err, k.err) || err.Error() != "open: "+k.err.Error() {
			t.Errorf("%s became %v", k.name, err)
		}
		for _, other := range kinds() {
			if other.err != k.err && errors.Is(err, other.err) {
				t.Errorf("%s is also %s", k.name, other.name)
			}
		}
		var bad *fleet.RequestError
		if errors.As(err, &bad) {
			t.Errorf("%s became a bad request", k.name)
		}
		if err := describe(fleet.BadRequest(k.err)).restore(); !errors.As(err, &bad) || !errors.Is(err, k.err) {
			t.Errorf("a bad request became %v", err)
		}
	}
}

// TestCurrency: amounts take the currency of the struct around them.
func TestCurrency(t *testing.T) {
	type inner struct{ Cost *money.Amount }
	type outer struct {
		Currency money.Currency
		Total    money.Amount
		Lines    []inner
		By       map[string]inner
	}
	data := []byte(`{"Currency":"JPY","Total":1,"Lines":[{"Cost":1},{"Cost":null}],"By":{"a":{"Cost":1}}}`)
	var v outer
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	named(reflect.ValueOf(&v), "")
	if v.Total.Currency() != "JPY" || v.Lines[0].Cost.Currency() != "JPY" || v.Lines[1].Cost != nil || v.By["a"].Cost.Currency() != "JPY" {
		t.Errorf("%+v", v)
	}
}

// TestWholeEnvelope: an envelope without input is read to the end, however long;
// only then a client that goes away is noticed.
func TestWholeEnvelope(t *testing.T) {
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	op, _ := leanfleet.FindOperation("hosts")
	o := Options{Session: func(Settings) (*leanfleet.Monitor, error) { return m, nil }}
	for n := range 1100 {
		line, err := json.Marshal(envelope{Settings: Settings{Config: strings.Repeat("x", n)}, Request: json.RawMessage("{}")})
		if err != nil {
			t.Fatal(err)
		}
		body := strings.NewReader(string(line) + "\n")
		if _, err := o.runFrames(t.Context(), body, nil, op); err != nil || body.Len() > 0 {
			t.Fatalf("%d bytes: %d left, %v", len(line), body.Len(), err)
		}
	}
	big := io.MultiReader(strings.NewReader(`{"settings":{"config":"`), io.LimitReader(endless{}, maxRequest+1))
	if _, err := o.runFrames(t.Context(), big, nil, op); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a request without end: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestResultsTravel: no Request and no Result has anything that JSON leaves
// behind, but for the streams.
func TestResultsTravel(t *testing.T) {
	known := map[string]bool{"Request.terms": true} // what the rules of a right-sizing Request say, read from it where it is answered
	for _, op := range leanfleet.Operations() {
		if op.Prices {
			continue // they run here
		}
		for _, v := range []any{op.NewRequest(), op.NewResult()} {
			here := maps.Clone(known)
			if _, ok := v.(leanfleet.Streamed); ok {
				for _, name := range []string{"Directory", "Stdin", "Output", "Progress"} {
					here[reflect.TypeOf(v).Elem().Name()+"."+name] = true
				}
			}
			travels(t, op.Name, reflect.TypeOf(v).Elem(), here, map[reflect.Type]bool{})
		}
	}
}

func travels(t *testing.T, path string, v reflect.Type, known map[string]bool, seen map[reflect.Type]bool) {
	t.Helper()
	if seen[v] {
		return
	}
	seen[v] = true
	if own := reflect.TypeFor[json.Unmarshaler](); v.Implements(own) || reflect.PointerTo(v).Implements(own) {
		return // its own tests say that it travels
	}
	text := reflect.TypeFor[encoding.TextUnmarshaler]()
	if reflect.PointerTo(v).Implements(text) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		travels(t, path, v.Elem(), known, seen)
	case reflect.Interface, reflect.Func, reflect.Chan:
		t.Errorf("%s: a %s cannot be read from JSON", path, v)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			where := v.Name() + "." + f.Name
			switch {
			case known[where]:
			case !f.IsExported() && !f.Anonymous, f.Tag.Get("json") == "-":
				t.Errorf("%s: %s stays behind", path, where)
			default:
				travels(t, path+"."+f.Name, f.Type, known, seen)
			}
		}
	}
}

// TestEnds: when the server ends, what is still answered is ended too, and
// nothing runs afterwards.
func TestEnds(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	under, over := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(under)
		<-r.Context().Done()
		close(over)
	})
	done := make(chan error, 1)
	go func() { done <- serveFor(ctx, l, h, 20*time.Millisecond) }()
	conn, err := net.Dial("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
	<-under
	cancel()
	if err := <-done; err == nil {
		t.Error("what was cut off is not told")
	}
	select {
	case <-over:
	default:
		t.Error("it still runs")
	}
}

// TestSlots: questions are answered a few at a time, however many ask, and who
// waits can go away; a status, and what is still being read, waits for nobody.
func TestSlots(t *testing.T) {
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	o := Options{slots: newSlots(), Session: func(Settings) (*leanfleet.Monitor, error) {
		entered <- struct{}{}
		<-leave
		return m, nil
	}}
	done := make(chan error, 100)
	ask := func(ctx context.Context, name string, input bool) {
		op, _ := leanfleet.FindOperation(name)
		line, _ := json.Marshal(envelope{Request: json.RawMessage(`{}`), Input: input})
		_, err := o.runFrames(ctx, bytes.NewReader(append(line, '\n')), nil, op)
		done <- err
	}
	for range atOnce {
		go ask(t.Context(), "hosts", false)
	}
	for range atOnce {
		<-entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	go ask(ctx, "hosts", false)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("one more: %v", err)
	}
	go ask(t.Context(), "status", false)
	<-entered
	go ask(t.Context(), "import", true)
	<-entered
	close(leave)
	for range atOnce + 2 {
		<-done
	}
	go ask(t.Context(), "hosts", false)
	<-entered
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestNoSocketThere: what bears the socket's name and is none is left alone.
func TestNoSocketThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SocketName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(dir); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("listens: %v, %v", l, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}
