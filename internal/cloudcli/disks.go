package cloudcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// listedDisk is a disk as "aws ec2 describe-volumes", "az disk list" and "gcloud
// compute disks list" print it, each with its own fields.
type listedDisk struct {
	// AWS
	VolumeID   string `json:"VolumeId"`
	VolumeType string
	Size       size
	// Azure
	ID         json.RawMessage `json:"id"`
	DiskSizeGB size            `json:"diskSizeGb"`
	Sku        struct{ Name string }
	// GCP
	SelfLink string
	Type     string
	SizeGB   size `json:"sizeGb"`
}

// disk reads a disk that is listed for itself.
func (p *parser) disk(path string, raw json.RawMessage) error {
	key, d, err := p.readDisk(raw)
	if err != nil {
		where := placeOf(path)
		if key != "" {
			where += " (" + key + ")"
		}
		if !p.mistake(where, typed(err)) {
			return errEnough
		}
		return nil
	}
	p.volumes[key] = d
	return nil
}

func (p *parser) readDisk(raw json.RawMessage) (key string, d fleet.Disk, err error) {
	var x listedDisk
	if err := json.Unmarshal(raw, &x); err != nil {
		return x.VolumeID, d, err
	}
	var gib size
	var sized, typed string // the fields
	switch p.found {
	case AWS:
		key, d.Type, gib, sized, typed = x.VolumeID, x.VolumeType, x.Size, "Size", "VolumeType"
	case Azure:
		_ = json.Unmarshal(x.ID, &key) // else it has none
		key, d.Type, gib, sized, typed = strings.ToLower(key), x.Sku.Name, x.DiskSizeGB, "diskSizeGb", "sku.name"
	default:
		key, d.Type, gib, sized, typed = resource(x.SelfLink), last(x.Type), x.SizeGB, "sizeGb", "type"
	}
	d.GiB = gib.gib
	switch {
	case key == "":
		return "", d, errors.New("it has no id")
	case gib.wrong != "":
		return key, d, wrong(sized, gib.wrong)
	case !gib.known:
		return key, d, fmt.Errorf("%s: the size of the disk is missing", sized)
	case d.Type == "":
		return key, d, fmt.Errorf("%s: the type of the disk is missing", typed)
	}
	return key, d, checkText(d.Type)
}

// Join gives machines the disks that outputs list for themselves, whichever of them
// lists which: the sizes and types of those lists count, then those that the
// machines' own output tells. Disks of a machine are stated where each of them
// is known. It returns what a careful reader should know.
func Join(list []Inventory) (notes []string) {
	volumes := map[string]fleet.Disk{}
	listed := map[Format]bool{} // tools that list disks
	for i := range list {
		for key, d := range list[i].volumes {
			volumes[key] = d
			listed[list[i].Format] = true
		}
	}
	machines, missing, first := 0, 0, ""
	for i := range list {
		inv := &list[i]
		for j := range inv.Listed {
			l := &inv.Listed[j]
			if l.attached == nil {
				continue
			}
			machines++
			disks, all := l.disks(volumes)
			if !all && listed[inv.Format] {
				if missing++; first == "" {
					first = string(l.Host)
				}
			}
			if all {
				inv.Statements[l.statement].Disks = disks
			}
		}
	}
	if missing > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d machines have disks that are not listed, the first is %s: the disks of such are left as they were.", missing, machines, first))
	}
	return notes
}

// disks are those of a machine; false where not each of them is known.
func (l *Listed) disks(volumes map[string]fleet.Disk) ([]fleet.Disk, bool) {
	out := make([]fleet.Disk, 0, len(l.attached))
	for _, a := range l.attached {
		d, ok := volumes[a.volume]
		switch {
		case ok && a.volume != "":
		case a.told != nil:
			d = *a.told
		default:
			return nil, false
		}
		out = append(out, d)
	}
	return out, true
}

// pages are the pages of a list read so far.
type pages struct {
	open   bool    // the last one says that there is more
	places []Place // that it has machines of
}

// page notes the end of a page, which has the machines from first on. A page that
// says that there is more is followed by the next one, of the same account and
// region. One without machines that does not say so may be that of another region,
// so that it ends no other.
func (p *parser) page(what string, token any, first int) {
	now := &pages{open: token != nil && token != ""}
	for i := range p.listed[first:] {
		if at := p.listed[first+i].Place.cut(Region); !slices.Contains(now.places, at) {
			now.places = append(now.places, at)
		}
	}
	if before := p.pages[what]; before != nil && before.open && len(before.places) > 0 {
		switch {
		case len(now.places) == 0 && now.open:
			now.places = before.places
		case !slices.ContainsFunc(now.places, func(at Place) bool { return slices.Contains(before.places, at) }):
			p.truncated(what)
		}
	}
	p.pages[what] = now
}

// ended notes the end of the output.
func (p *parser) ended() {
	for _, what := range []string{"machines", "volumes"} {
		if last := p.pages[what]; last != nil && last.open {
			p.truncated(what)
		}
	}
}

func (p *parser) truncated(what string) {
	if !slices.Contains(p.counts.truncated, what) {
		p.counts.truncated = append(p.counts.truncated, what)
	}
}
