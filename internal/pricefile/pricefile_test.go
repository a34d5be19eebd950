package pricefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

var readAt = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// reading adds one price of a region.
func reading(t *testing.T, region, price string) func(*pricing.Book) (*pricing.Book, error) {
	t.Helper()
	p, err := money.ParsePrice(price, money.USD)
	if err != nil {
		t.Fatal(err)
	}
	return func(b *pricing.Book) (*pricing.Book, error) {
		_, err := b.Add(pricing.Reading{List: "list", Provider: "aws", Region: region, At: readAt, Complete: true}, []pricing.Item{{Offer: &pricing.Offer{
			Provider: "aws", Region: region, InstanceType: "m5.large", OS: "linux", Purchase: pricing.OnDemand, PerHour: p, Basis: pricing.Observed, Source: "list",
		}}})
		return b, err
	}
}

func priceOf(t *testing.T, b *pricing.Book, region string) string {
	t.Helper()
	f, err := b.Lookup(pricing.OfferQuery{Provider: "aws", Region: region, InstanceType: "m5.large", OS: "linux"})
	if err != nil {
		return err.Error()
	}
	return f.List.PerHour.String()
}

// names are the files of a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestUpdateThenRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	b, err := Read(dir, pricing.Options{})
	if err != nil || len(b.Readings()) != 0 {
		t.Fatalf("no directory: %v", err)
	}
	for i, region := range []string{"us-east-1", "eu-west-1"} {
		b, err := Update(t.Context(), dir, pricing.Options{}, reading(t, region, "0.1"))
		if err != nil || len(b.Readings()) != i+1 {
			t.Fatalf("%s: %v", region, err)
		}
	}
	b, err = Read(dir, pricing.Options{})
	if err != nil || priceOf(t, b, "us-east-1") != "0.1 USD" || priceOf(t, b, "eu-west-1") != "0.1 USD" {
		t.Errorf("read: %v", err)
	}
	if got := names(t, dir); got != Name+" "+LockName {
		t.Errorf("the directory holds %s", got)
	}
}

// TestUpdateThatFails leaves the file as it was, and nothing beside it.
func TestUpdateThatFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := Update(t.Context(), dir, pricing.Options{}, reading(t, "us-east-1", "0.1")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, Name)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	if _, err := Update(t.Context(), dir, pricing.Options{}, func(b *pricing.Book) (*pricing.Book, error) {
		if _, err := reading(t, "us-east-1", "0.2")(b); err != nil {
			return nil, err
		}
		return b, wrong
	}); !errors.Is(err, wrong) {
		t.Errorf("a change that fails: %v", err)
	}
	if _, err := Update(t.Context(), dir, pricing.Options{}, func(b *pricing.Book) (*pricing.Book, error) { return b, nil }); err != nil {
		t.Errorf("no change: %v", err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was replaced: %v", err)
	}
	// A file that cannot be replaced, and a directory that is none.
	other := t.TempDir()
	if err := os.Mkdir(filepath.Join(other, Name), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteTo(filepath.Join(other, Name), mustRead(t, dir)); err == nil || !strings.Contains(err.Error(), filepath.Join(other, Name)) {
		t.Errorf("over a directory: %v", err)
	}
	if got := names(t, other); got != Name {
		t.Errorf("left behind: %s", got)
	}
	if _, err := Read(other, pricing.Options{}); err == nil {
		t.Error("a directory reads as a price book")
	}
	if _, err := WriteTo(filepath.Join(dir, "none", "x"), mustRead(t, dir)); err == nil {
		t.Error("a file in a directory that is not there was written")
	}
	if _, err := Update(t.Context(), path, pricing.Options{}, reading(t, "us-east-1", "0.1")); err == nil {
		t.Error("a file passes for a directory")
	}
}

func mustRead(t *testing.T, dir string) *pricing.Book {
	t.Helper()
	b, err := Read(dir, pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, Name)
	if err := os.WriteFile(path, []byte("nothing of the kind"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Read(dir, pricing.Options{})
	if !errors.Is(err, pricing.ErrBook) || !strings.Contains(err.Error(), path) {
		t.Errorf("read: %v", err)
	}
	if _, err := Update(t.Context(), dir, pricing.Options{}, reading(t, "us-east-1", "0.1")); !errors.Is(err, pricing.ErrBook) {
		t.Errorf("update: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "nothing of the kind" {
		t.Errorf("an update wrote over a damaged file: %v", err)
	}
	if _, err := Read(t.TempDir(), pricing.Options{Precedence: []pricing.Layer{"x"}}); err == nil {
		t.Error("wrong options are taken")
	}
}

// TestWritersWait: a writer waits for another one, and no longer than it
// should; readers do not wait.
func TestWritersWait(t *testing.T) {
	dir := t.TempDir()
	if _, err := Update(t.Context(), dir, pricing.Options{}, reading(t, "us-east-1", "0.1")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, LockName)
	unlock, err := lock(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(t.Context(), path, 0); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("locked: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Update(ctx, dir, pricing.Options{}, reading(t, "us-east-1", "0.2")); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got := priceOf(t, mustRead(t, dir), "us-east-1"); got != "0.1 USD" {
		t.Errorf("a reader gets %s", got)
	}
	unlock()
	if unlock, err = lock(t.Context(), path, 0); err != nil {
		t.Errorf("given back: %v", err)
	}
	unlock()
	if _, err := lock(t.Context(), filepath.Join(dir, "none", "lock"), 0); err == nil {
		t.Error("a lock in a directory that is not there was taken")
	}
}

// TestManyWriters: of writers at once each adds to what the one before wrote.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	const n = 12
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := Update(t.Context(), dir, pricing.Options{}, reading(t, fmt.Sprintf("region-%d", i), "0.1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b := mustRead(t, dir)
	for i := range n {
		if got := priceOf(t, b, fmt.Sprintf("region-%d", i)); got != "0.1 USD" {
			t.Errorf("region %d: %s", i, got)
		}
	}
	if got := len(b.Readings()); got != n {
		t.Errorf("%d readings", got)
	}
}
