package store

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// kind is whose rows a day file holds.
type kind int

const (
	ofHosts kind = iota
	ofGroups
	kinds
)

func kindOf(key head.Key) kind { return kindOfGroup(key.Group) }

func kindOfGroup(group string) kind {
	if group != "" {
		return ofGroups
	}
	return ofHosts
}

// dir is the directory of the kind's files below the data directory.
func (k kind) dir() string {
	if k == ofGroups {
		return groupsName
	}
	return daysName
}

// dirOf is the path of a directory of files that commits change.
func (s *Store) dirOf(name string) string { return filepath.Join(s.dir, name) }

// target is a day of a kind: one file.
type target struct {
	kind kind
	day  dayfile.Day
}

// name is the name of the file in the kind's directory.
func (t target) name() string { return t.day.String() + dayFileSuffix }

// stagedName is its name before it is renamed.
func (t target) stagedName(gen uint64) string {
	return fmt.Sprintf("%s.%06d%s", t.day, gen, tmpSuffix)
}

// label names the target in errors.
func (t target) label() string {
	if t.kind == ofGroups {
		return "process groups of day " + t.day.String()
	}
	return "day " + t.day.String()
}

func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.kind, b.kind))
}

// rowKey is what rows of a key are sorted by in a file: the host, and behind a
// zero byte the process group.
func rowKey(key head.Key) fleet.HostID {
	if key.Group == "" {
		return key.Host
	}
	return key.Host + "\x00" + fleet.HostID(key.Group)
}
