package local

import "testing"

// NewPortable returns a collector that asks gopsutil, on whatever system.
func NewPortable(t *testing.T, o Options) *Collector {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.source, c.groups = portable{space: o.Space, wants: c.wants}, nil
	return c
}

var ParseCPU, ParseMounts, ParseProcess = parseCPU, parseMounts, parseProcess
