package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// storing are the types of file systems that keep files on disks of the machine.
// Others are memory (tmpfs), views of others (overlay), images that are always full
// (squashfs, iso9660) or somebody else's (nfs).
var storing = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "bcachefs", "f2fs", "jfs", "reiserfs", "nilfs2", "vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "hfsplus", "ufs", "apfs", "hfs"}

func isStoring(fstype string) bool {
	for _, s := range storing {
		if s == fstype {
			return true
		}
	}
	return false
}

// readSpace finds the fullest file system.
func (t *tree) readSpace(r *reading) error {
	path := filepath.Join(t.initial(), "mountinfo")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	points, err := parseMounts(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	pools := map[string]Space{}
	for _, m := range points {
		p := m.point
		s, err := t.space(p)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // another view of the tree, or a private mount
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("file system at %s: %w", p, err))
			continue
		}
		r.fuller(s)
		if m.pool != "" {
			pool := pools[m.pool]
			pools[m.pool] = Space{Used: pool.Used + s.Used, Available: max(pool.Available, s.Available)}
		}
	}
	for _, s := range pools {
		r.fuller(s)
	}
	return errors.Join(errs...)
}

// mount is a file system that counts.
type mount struct {
	point string
	// pool is that of a ZFS data set, which tells what it uses itself and what the
	// pool has left.
	pool string
}

// fuller counts a file system. Its size is what users may have of it, as df
// shows.
func (r *reading) fuller(s Space) {
	if size := s.Used + s.Available; size > 0 {
		r.fullest = is(max(r.fullest.v, part(s.Used, size)))
	}
}

// parseMounts returns the mounts of file systems that keep files and may be
// written to, somewhere: in the name space of a service they may be mounted
// read-only. There is one for each device: the first that no other mount covers.
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMounts(data []byte) ([]mount, error) {
	var points []mount
	seen := map[string]bool{}
	top := map[string]string{} // the last mount of each point
	for line := range bytes.Lines(data) {
		if f := bytes.Fields(line); len(f) > 4 {
			top[string(f[4])] = string(f[0])
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		a, b := strings.Fields(left), strings.Fields(right)
		if !ok || len(a) < 6 || len(b) < 2 {
			return nil, fmt.Errorf("line %d: %q is not a mount", n, lines.Text())
		}
		device, fstype := a[2], b[0]
		if fstype == "btrfs" || fstype == "zfs" {
			device = b[1] // subvolumes have numbers of their own
		}
		pool := ""
		if fstype == "zfs" {
			pool, _, _ = strings.Cut(device, "/")
		}
		if !isStoring(fstype) || seen[device] || top[a[4]] != a[0] {
			continue
		}
		options := a[5] // of this mount; those of the file system come last
		if len(b) > 2 {
			options = b[2]
		}
		if !strings.HasPrefix(options+",", "rw,") {
			continue
		}
		if strings.HasPrefix(b[1], "/dev/loop") || strings.HasPrefix(b[1], "/dev/ram") {
			continue
		}
		seen[device] = true
		points = append(points, mount{unescapeMount(a[4]), pool})
	}
	return points, lines.Err()
}

// unescapeMount turns \040 and its like into what they stand for.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
