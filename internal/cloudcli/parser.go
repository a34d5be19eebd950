package cloudcli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// parser walks documents and turns machines into statements.
type parser struct {
	name        string
	want, found Format

	listed     []Listed
	statements []fleet.Statement
	mistakes   []error
	seen       map[fleet.HostID][]byte // machines read before, as they stood
	volumes    map[string]fleet.Disk   // by what machines call them
	pages      map[string]*pages       // by the list they are of
	counts     counts
}

// counts are what notes are made of.
type counts struct {
	truncated []string // lists of which the output says that there is more
	noPower   int      // machines without a state
	allocated int      // Azure: stopped but not deallocated
	unknown   []string
}

func (p *parser) notes() []string {
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(p.listed) == 0 && len(p.volumes) == 0 {
		note("It lists no machine.")
	}
	for _, what := range p.counts.truncated {
		note("The output ends with a NextToken: there are more %s than it lists; leave out --max-items.", what)
	}
	if p.counts.noPower > 0 {
		hint := "."
		if p.found == Azure {
			hint = "; with az, -d (--show-details) prints it."
		}
		note("%d of %d machines have no state%s", p.counts.noPower, len(p.listed), hint)
	}
	if p.counts.allocated > 0 {
		note("Stopped but not deallocated: %d of %d machines. Azure goes on billing them, so they are running here.", p.counts.allocated, len(p.listed))
	}
	if len(p.counts.unknown) > 0 {
		note("States that say neither that a machine runs nor that it does not are left out: %s.", strings.Join(p.counts.unknown, ", "))
	}
	return out
}

// unknownState notes a state that is left out.
func (p *parser) unknownState(s string) {
	if s != "" && !slices.Contains(p.counts.unknown, s) {
		p.counts.unknown = append(p.counts.unknown, s)
	}
}

// mistake notes one; it is false when there are enough.
func (p *parser) mistake(path string, err error) bool {
	p.mistakes = append(p.mistakes, fmt.Errorf("%s: %s: %w", p.name, path, err))
	return len(p.mistakes) < maxMistakes
}

// errEnough ends the walk when there are enough mistakes.
var errEnough = errors.New("enough mistakes")

// documents reads the JSON documents that follow one another.
func (p *parser) documents(data []byte) error {
	p.seen, p.volumes, p.pages = map[fleet.HostID][]byte{}, map[string]fleet.Disk{}, map[string]*pages{}
	d := json.NewDecoder(bytes.NewReader(data))
	for n := 1; ; n++ {
		var doc json.RawMessage
		err := d.Decode(&doc)
		if err == io.EOF {
			p.ended()
			return nil
		}
		if err != nil {
			return p.syntax(data, d.InputOffset(), err)
		}
		path := ""
		if n > 1 {
			path = fmt.Sprintf("document %d, ", n)
		}
		if err := p.value(path, doc, owner{}); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
}

// syntax is the error of text that is no JSON, with line and column.
func (p *parser) syntax(data []byte, at int64, err error) error {
	var bad *json.SyntaxError
	if errors.As(err, &bad) {
		at = max(bad.Offset-1, 0)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at = int64(len(data))
	}
	before := data[:min(at, int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	what := err.Error()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "the JSON ends early, the output is truncated"
	case line == 1 && column <= 2:
		what = fmt.Sprintf("this is no JSON: it begins with %q; it should be what %q prints", beginning(data), p.want.command())
	}
	return fmt.Errorf("%s:%d:%d: %s", p.name, line, column, what)
}

func beginning(data []byte) string {
	const most = 20
	line, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	if len(line) > most {
		return string(line[:most]) + "..."
	}
	return string(line)
}

// owner is what lists say of the machines in them.
type owner struct{ account string }

// value walks a value: lists, and objects that hold lists, down to machines.
func (p *parser) value(path string, raw json.RawMessage, o owner) error {
	switch first(raw) {
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("%s: %s%w", p.name, path, err)
		}
		for i, x := range list {
			if err := p.value(fmt.Sprintf("%s[%d]", path, i), x, o); err != nil {
				return err
			}
		}
		return nil
	case '{':
		return p.object(path, raw, o)
	case 'n': // null: an empty list, to some queries
		return nil
	}
	return fmt.Errorf("%s: %s is %s where a machine should be; it should be what %q prints", p.name, placeOf(path), beginning(raw), p.want.command())
}

func first(raw json.RawMessage) byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// placeOf is a path as mistakes show it.
func placeOf(path string) string {
	path = strings.TrimSuffix(path, ", ")
	if path == "" {
		return "the output"
	}
	return path
}

// shape is what tells objects apart.
type shape struct {
	Reservations, Instances json.RawMessage
	Volumes                 json.RawMessage
	OwnerID                 json.RawMessage `json:"OwnerId"`
	NextToken               any
	InstanceID              *json.RawMessage `json:"InstanceId"`
	VolumeID                *json.RawMessage `json:"VolumeId"`
	DiskSizeGB              *json.RawMessage `json:"diskSizeGb"`
	SizeGB                  *json.RawMessage `json:"sizeGb"`
	VMID                    *json.RawMessage `json:"vmId"`
	HardwareProfile         *json.RawMessage `json:"hardwareProfile"`
	MachineType             *json.RawMessage `json:"machineType"`
	ID                      any              `json:"id"`
	SelfLink                any              `json:"selfLink"`
	Kind                    any              `json:"kind"`
	Type                    any              `json:"type"`
	Properties              *json.RawMessage `json:"properties"`
	Error                   *json.RawMessage `json:"error"`
}

func (p *parser) object(path string, raw json.RawMessage, o owner) error {
	var s shape
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%s: %s: %w", p.name, placeOf(path), err)
	}
	into := func(name string) string {
		if path == "" || strings.HasSuffix(path, ", ") {
			return path + name
		}
		return path + "." + name
	}
	switch {
	case len(s.Reservations) > 0:
		defer p.page("machines", s.NextToken, len(p.listed))
		return p.value(into("Reservations"), s.Reservations, o)
	case len(s.Volumes) > 0:
		defer p.page("volumes", s.NextToken, len(p.listed))
		return p.value(into("Volumes"), s.Volumes, o)
	case len(s.Instances) > 0 && s.InstanceID == nil:
		var account string
		if json.Unmarshal(s.OwnerID, &account) == nil && account != "" {
			o.account = account
		}
		return p.value(into("Instances"), s.Instances, o)
	}
	f := s.format()
	disk := f == ""
	if disk {
		f = s.diskFormat()
	}
	switch {
	case f == "" && s.Error != nil:
		return fmt.Errorf("%s: %s is an error that a tool printed: %s", p.name, placeOf(path), beginning(*s.Error))
	case f == "" && s.Properties != nil:
		return fmt.Errorf("%s: %s looks like output of a REST API, with \"properties\"; it should be what %q prints", p.name, placeOf(path), Azure.command())
	case f == "":
		return fmt.Errorf("%s: %s is an object that is no machine of a known tool (%s); it should be what %q prints", p.name, placeOf(path), keysOf(raw), p.want.command())
	case p.found == Auto:
		p.found = f
	case f != p.found && p.want == Auto:
		return fmt.Errorf("%s: %s looks like %s, and those before like %s: read them one by one", p.name, placeOf(path), f, p.found)
	case f != p.found:
		return fmt.Errorf("%s: this looks like the output of %s (%q), not of %s; use --from %s", p.name, f, f.command(), p.want, f)
	}
	if disk {
		return p.disk(path, raw)
	}
	return p.machine(path, raw, o)
}

// format is the tool that prints such an object; "" is none.
func (s *shape) format() Format {
	switch {
	case s.VMID != nil || s.HardwareProfile != nil: // which may have an instanceId in a scale set
		return Azure
	case s.InstanceID != nil:
		return AWS
	case s.MachineType != nil || s.Kind == "compute#instance":
		return GCP
	case isOf(s.ID, "virtualMachines"): // outputs cut down to some fields
		return Azure
	case isOf(s.SelfLink, "instances"):
		return GCP
	}
	return ""
}

// isOf says whether a value is the path, or the URL, of one of a kind.
func isOf(value any, kind string) bool {
	path, _ := value.(string)
	name := between(path, kind)
	return name != "" && strings.HasSuffix(path, "/"+name)
}

// diskFormat is the tool that prints such a disk; "" is none.
func (s *shape) diskFormat() Format {
	switch {
	case s.VolumeID != nil:
		return AWS
	case s.Kind == "compute#disk", s.SizeGB != nil:
		return GCP
	case s.Type == "Microsoft.Compute/disks", s.DiskSizeGB != nil:
		return Azure
	}
	return ""
}

// keysOf names some keys of an object.
func keysOf(raw json.RawMessage) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return "it is empty"
	}
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if len(keys) > 4 {
		keys = append(keys[:4], "...")
	}
	return "it has " + strings.Join(keys, ", ")
}

// machine reads one machine. Its statements begin with what it is; those of its
// state follow, in the order of time.
func (p *parser) machine(path string, raw json.RawMessage, o owner) error {
	var m *machine
	var err error
	switch p.found {
	case AWS:
		m, err = p.aws(raw, o)
	case Azure:
		m, err = p.azure(raw)
	default:
		m, err = p.gcp(raw)
	}
	if err == nil && m.Host == "" {
		err = errors.New("it has no id")
	}
	if err == nil {
		err = checkText(string(m.Host), m.Name)
		for _, a := range m.aliases {
			err = cmp.Or(err, checkText(a.Key))
		}
	}
	if err != nil {
		where := placeOf(path)
		if m != nil && m.Host != "" {
			where += " (" + string(m.Host) + ")"
		}
		if !p.mistake(where, typed(err)) {
			return errEnough
		}
		return nil
	}
	if before, twice := p.seen[m.Host]; twice && bytes.Equal(before, raw) {
		return nil // pages that overlap
	}
	p.seen[m.Host] = raw
	p.listed = append(p.listed, m.listed(len(p.statements)))
	p.statements = append(p.statements, m.statements()...)
	return nil
}

// checkText refuses keys and names that no host can have.
func checkText(texts ...string) error {
	for _, s := range texts {
		if len(s) > 1024 {
			return fmt.Errorf("%.40q... is longer than 1024 bytes", s)
		}
		for _, r := range s {
			if r < ' ' || r == 0x7f {
				return fmt.Errorf("%q has control characters", s)
			}
		}
	}
	return nil
}

// typed tells the error of a field of another type by its path.
func typed(err error) error {
	var bad *json.UnmarshalTypeError
	if errors.As(err, &bad) {
		return fmt.Errorf("%s is a JSON %s, which it cannot be", bad.Field, bad.Value)
	}
	return err
}
