package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// copyFixture returns a copy of the fixture that a test may spoil.
func copyFixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRefusesBadRows spoils one place at a time: the message names file, line
// and field, and nothing is written.
func TestRefusesBadRows(t *testing.T) {
	f := func(file, old, new, want string) {
		t.Helper()
		dir := copyFixture(t)
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("%s has no %q", file, old)
		}
		if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "catalog.bin")
		var stderr bytes.Buffer
		if code := run([]string{"--from", dir, "--out", out}, &bytes.Buffer{}, &stderr); code != 1 {
			t.Errorf("%s with %q: exit code %d", file, new, code)
		}
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%s with %q: message %q, expected %q", file, new, stderr.String(), want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s with %q: a catalogue was written", file, new)
		}
	}
	const m5 = "aws,us-east-1,m5.large,linux,on_demand,0.096"
	line := lineOf(t, "prices.csv", m5)
	f("prices.csv", m5, strings.Replace(m5, "0.096", "0.000", 1), "prices.csv:"+line+": usd_per_hour is zero")
	f("prices.csv", m5, strings.Replace(m5, "0.096", "-1", 1), "prices.csv:"+line+": usd_per_hour is negative")
	f("prices.csv", m5, strings.Replace(m5, "0.096", "1e-3", 1), "prices.csv:"+line+": usd_per_hour: \"1e-3\" is not a decimal number")
	f("prices.csv", m5, strings.Replace(m5, "0.096", "", 1), "prices.csv:"+line+": usd_per_hour: \"\" is not")
	f("prices.csv", m5, strings.Replace(m5, "linux", "windows", 1), "prices.csv:"+line+": os is \"windows\"")
	f("prices.csv", m5, strings.Replace(m5, "on_demand", "bargain", 1), "prices.csv:"+line+": purchase is \"bargain\"")
	f("prices.csv", m5, strings.Replace(m5, "us-east-1", "us-moon-1", 1), "prices.csv:"+line+": region aws us-moon-1 is not in the list")
	f("prices.csv", m5, strings.Replace(m5, "m5.large", "m5.huge", 1), "prices.csv:"+line+": type aws m5.huge is not in the list")
	f("prices.csv", m5, m5+",2026-01-01,observed\n"+m5, "two prices of aws m5.large in us-east-1")
	f("prices.csv", m5, m5+",1", "prices.csv:"+line+": wrong number of fields")
	f("prices.csv", "observed", "guessed", "basis is \"guessed\"")
	f("prices.csv", "2024-08-09", "2024-08-32", "as_of is \"2024-08-32\"")
	f("prices.csv", "usd_per_hour", "eur_per_hour", "prices.csv:1: columns are")
	f("instance_types.csv", "aws,m5.large,m5,2,", "aws,m5.large,m5,2.5,", "vcpu is \"2.5\"")
	f("instance_types.csv", "aws,m5.large,m5,2,", "aws,m5.large,m55,2,", "family aws \"m55\" is not in the list")
	f("instance_types.csv", "aws,m5.large,m5,2,8,", "aws,m5.large,m5,2,0,", "memory_gib is zero")
	f("instance_types.csv", "aws,m5.large,m5,2,8,", "aws,m5.large,m5,2,99999999999999,", "memory_gib is out of range")
	f("instance_types.csv", "aws,m5.large,", "aws,m5.xlarge,", "type aws m5.xlarge is there twice")
	f("instance_types.csv", "aws,m5.large,", "ibm,m5.large,", "provider is \"ibm\"")
	f("instance_types.csv", "aws,m5.large,", "aws,,", "instance_type is empty")
	f("families.csv", "0.30", "1.30", "sustained_use_discount is 1.3")
	f("families.csv", "aws,m5d,", "aws,m5,", "family aws \"m5\" is there twice")
	f("regions.csv", "38.9", "98.9", "lat_approx is 98.9, beyond 90 degrees")
	f("regions.csv", "38.9", "north", "lat_approx: \"north\" is not")
	f("regions.csv", "aws,us-east-1,", "aws,eu-central-1,", "region aws eu-central-1 is there twice")
	f("region_map.csv", ",260,1", ",26000,1", "km_approx is \"26000\"")
	f("region_map.csv", "aws,us-east-1,260,1", "gcp,us-central1,260,1\nazure,eastus,gcp,us-central1,5,1", "two neighbours in gcp")
	f("gcp_components.csv", "us-central1,e2,on_demand", "us-central1,e2,spot", "two components of e2 in us-central1, spot")
	f("gcp_components.csv", "us-central1,e2,on_demand", "us-central1,e9,on_demand", "family gcp \"e9\" is not in the list")
	f("families.csv", "aws,c3,", "aws,\"c3,", "families.csv:")
}

// lineOf returns the number of the fixture's line that begins with the text.
func lineOf(t *testing.T, file, text string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(fixture, file))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(b), text)
	if !ok {
		t.Fatalf("%s has no %q", file, text)
	}
	return catalog.Number{Mantissa: int64(strings.Count(before, "\n") + 1)}.String()
}

func TestRefusalsAreBounded(t *testing.T) {
	dir := copyFixture(t)
	path := filepath.Join(dir, "prices.csv")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("linux"), []byte("plan9")), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = read(dir)
	if err == nil || strings.Count(err.Error(), "plan9") != maxRefusals {
		t.Errorf("expected %d refusals: %v", maxRefusals, err)
	}
}

func TestUsage(t *testing.T) {
	f := func(want int, message string, args ...string) {
		t.Helper()
		var stderr bytes.Buffer
		if code := run(args, &bytes.Buffer{}, &stderr); code != want || !strings.Contains(stderr.String(), message) {
			t.Errorf("%v: exit code %d, %q", args, code, stderr.String())
		}
	}
	f(2, "--from DIR", "--out", "x")
	f(2, "not defined", "--to", "x")
	f(0, "Usage", "--help")
	f(1, "families.csv", "--from", t.TempDir(), "--out", "x")
	f(1, "write ", "--from", fixture, "--out", filepath.Join(t.TempDir(), "no", "folder"))
}

func TestDiskRules(t *testing.T) {
	_, c := build(t, fixture)
	f := func(provider, typ string, state catalog.DiskState, gib float64, basis string) {
		t.Helper()
		got, ok := c.Type(provider, typ)
		if !ok || got.LocalDisk != (catalog.LocalDisk{State: state, GiB: gib, Basis: basis}) {
			t.Errorf("%s: %+v", typ, got.LocalDisk)
		}
	}
	f("aws", "m5d.large", catalog.DiskSized, 69.8, basisList)
	f("aws", "i3.large", catalog.DiskSized, 442.4, basisList)
	f("gcp", "c3-standard-4-lssd", catalog.DiskSized, 375, basisList)
	f("gcp", "n1-standard-1", catalog.DiskNone, 0, basisList)
	f("aws", "m5.large", catalog.DiskNone, 0, basisAWSNo)
	f("aws", "m7i-flex.large", catalog.DiskNone, 0, basisAWSNo)
	f("aws", "m4.large", catalog.DiskNone, 0, basisEBSOnly)
	f("aws", "d2.xlarge", catalog.DiskPresent, 0, basisStorage)
	f("aws", "m1.small", catalog.DiskUnknown, 0, basisNoRule)
	f("aws", "c3.large", catalog.DiskUnknown, 0, basisNoRule)
	f("aws", "p3.2xlarge", catalog.DiskUnknown, 0, basisNoRule)
	f("aws", "dl1.24xlarge", catalog.DiskUnknown, 0, basisNoRule)
	f("azure", "Standard_D2ds_v5", catalog.DiskPresent, 0, basisAzure)
	f("azure", "Standard_E8-2ads_v5", catalog.DiskPresent, 0, basisAzure)
	f("azure", "Standard_D2s_v3", catalog.DiskUnknown, 0, basisNoRule)
	f("azure", "Standard_M24s-6_v3", catalog.DiskUnknown, 0, basisNoRule)
	f("azure", "Basic_A0", catalog.DiskUnknown, 0, basisNoRule)

	unlisted := awsDisk(catalog.Family{Provider: "aws", Name: "m9id", Purpose: catalog.PurposeGeneral, Status: catalog.StatusCurrent})
	if unlisted.State != catalog.DiskPresent || unlisted.Basis != basisAWSYes {
		t.Errorf("m9id: %+v", unlisted)
	}
}

func TestMemoryRounding(t *testing.T) {
	f := func(gib string, want int64) {
		t.Helper()
		n, err := catalog.ParseNumber(gib)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := bytesOf(n); !ok || got != want {
			t.Errorf("%s GiB: %d bytes, expected %d", gib, got, want)
		}
	}
	f("1", 1<<30)
	f("0.5", 1<<29)
	f("15.25", 15<<30+1<<28)
	f("0.6123", 657452119) // 657452118.5952
	f("1.7", 1825361101)   // 1825361100.8
	f("24576", 24576<<30)
}
