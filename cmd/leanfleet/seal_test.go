package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet"
)

// TestSeal: what was measured today is in the head, which status tells, and in
// no file; "seal" writes it into one, once.
func TestSeal(t *testing.T) {
	_, m, verb := measured(t)
	s, err := m.Status(t.Context(), leanfleet.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.Store.Dir, "days", "2024-02-01.parquet")
	if _, err := os.Stat(file); err == nil {
		t.Fatal("the day was sealed before its end")
	}
	if out := verb("status"); !strings.Contains(out, "not sealed yet        1 sample of 1 day, ") {
		t.Errorf("status does not tell of the head:\n%s", out)
	}
	answer := verb("stats", "--metric", "cpu_usage", "--range", "2024-02-01", "-o", "json")
	for _, want := range []string{"days         1\nsamples      1\n", "days         0\nsamples      0\n"} {
		if out := verb("seal"); !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	if out := verb("status"); strings.Contains(out, "not sealed yet") {
		t.Errorf("still not sealed:\n%s", out)
	}
	if again := verb("stats", "--metric", "cpu_usage", "--range", "2024-02-01", "-o", "json"); again != answer {
		t.Errorf("%s\nbefore the seal, after it\n%s", answer, again)
	}
}
