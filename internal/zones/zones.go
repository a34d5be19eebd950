package zones

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// version is the IANA release that zoneinfo.zip was made from, and checksum the
// SHA-256 of that file. A test holds both against the file and README.md.
const (
	version  = "2025c"
	checksum = "8f55634d05f8bca1f7bc7c69c5933428c69357e0bdf565e5ba224e3f88ff12e8"
)

// maxZoneBytes bounds one zone's data; the largest of the release has 2,968.
const maxZoneBytes = 1 << 20

// maxNameLength bounds the names for which similar ones are looked up; the
// longest of the release has 32 characters.
const maxNameLength = 64

//go:embed zoneinfo.zip
var archive []byte

// embedded is the parsed archive: zone name to compiled zone data. It is read
// once, on first use, and never changed.
var embedded = sync.OnceValues(func() (map[string][]byte, error) { return parse(archive) })

// parse reads the compiled zones of a zip archive whose entries are named like
// the zones.
func parse(data []byte) (map[string][]byte, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("open embedded time zones: %w", err)
	}
	zones := make(map[string][]byte, len(r.File))
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		body, err := readEntry(f)
		if err != nil {
			return nil, fmt.Errorf("read embedded time zone %s: %w", f.Name, err)
		}
		zones[f.Name] = body
	}
	return zones, nil
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, maxZoneBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxZoneBytes {
		return nil, fmt.Errorf("more than %d bytes", maxZoneBytes)
	}
	return body, nil
}

// Version returns the IANA release of the embedded zone data, such as "2025c".
func Version() string { return version }

// Names returns the names of all embedded zones in alphabetical order, links
// such as "Asia/Calcutta" included. The caller owns the slice. It returns nil
// when the embedded data cannot be read, which [Load] reports as an error.
func Names() []string {
	zones, err := embedded()
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(zones))
	for name := range zones {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Load returns the named IANA time zone from the embedded data. The names ""
// and "UTC" give [time.UTC]. "Local" is refused, because it means another zone
// on another machine. The error for an unknown name gives the nearest names.
//
// Each call parses the zone anew and returns a new pointer; a [Database] keeps
// what it has loaded. Load is safe for concurrent use.
func Load(name string) (*time.Location, error) {
	switch {
	case name == "" || name == "UTC":
		return time.UTC, nil
	case name == "Local":
		return nil, fmt.Errorf(`time zone "Local" means a different zone on every machine; name an IANA zone such as Europe/Berlin, or UTC`)
	}
	zones, err := embedded()
	if err != nil {
		return nil, err
	}
	data, ok := zones[name]
	if !ok {
		return nil, fmt.Errorf("unknown time zone %q%s", name, didYouMean(name, Names()))
	}
	location, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", name, err)
	}
	return location, nil
}

// didYouMean names at most three zones that name may have meant: those whose
// city it is ("Kolkata", "new york"), else the one spelled most like it.
func didYouMean(name string, known []string) string {
	tidy := strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	var near []string
	for _, k := range known {
		if city := k[strings.LastIndexByte(k, '/')+1:]; strings.EqualFold(city, tidy) || strings.EqualFold(k, tidy) {
			near = append(near, k)
		}
	}
	if len(near) == 0 && len(tidy) >= 4 && len(tidy) <= maxNameLength {
		near = fleet.Nearest(tidy, known, 1)
	}
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near[:min(3, len(near))], " or ") + "?"
}

// Database loads zones like [Load] and keeps each, so that equal names give
// equal pointers and a zone is parsed once. Its zero value is ready for use. It
// is safe for concurrent use and must not be copied after its first use.
type Database struct {
	mu     sync.Mutex
	loaded map[string]*time.Location
}

// Load returns the named zone as the function [Load] does, the same pointer
// for the same name each time. Errors are not kept.
func (d *Database) Load(name string) (*time.Location, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if location, ok := d.loaded[name]; ok {
		return location, nil
	}
	location, err := Load(name)
	if err != nil {
		return nil, err
	}
	if d.loaded == nil {
		d.loaded = make(map[string]*time.Location)
	}
	d.loaded[name] = location
	return location, nil
}
