package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

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
