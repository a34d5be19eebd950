package local_test

import (
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/collect/local"
)

func FuzzParseCPU(f *testing.F) {
	f.Add([]byte("cpu  1002605 76234 290234 910927 11958 0 2978 2039 0 0"))
	f.Add([]byte("cpu 1 2 3 4"))
	f.Add([]byte("cpu0 1 2 3 18446744073709551615"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := local.ParseCPU(line); err == nil && !strings.HasPrefix(strings.TrimSpace(string(line)), "cpu") {
			t.Errorf("%q is no line of CPU times", line)
		}
	})
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"))
	f.Add([]byte(`1 2 8:1 / /a\040b rw - xfs /dev/sda\ rw`))
	f.Add([]byte("x - y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		points, err := local.ParseMounts(data)
		if err != nil && len(points) > 0 {
			t.Errorf("mounts %q beside the error %v", points, err)
		}
	})
}

func FuzzParseProcess(f *testing.F) {
	f.Add([]byte("10 (a) b) S 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 77 0 0"))
	f.Add([]byte("10 (x"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := local.ParseProcess(data); err == nil && !strings.Contains(string(data), "(") {
			t.Errorf("%q names no program", data)
		}
	})
}
