package handoff

import (
	"bytes"
	"encoding/json"
)

// variables writes what each host is to become as the content of a .tfvars.json
// file: instance_types by host, scaling_group_instance_types by group where
// there are any. A name that several hosts have is replaced by their ids.
func variables(changes []Change) string {
	names := map[string]int{}
	for i := range changes {
		names[changes[i].Line.Name]++
	}
	type document struct {
		Hosts  map[string]string `json:"instance_types"`
		Groups map[string]string `json:"scaling_group_instance_types,omitempty"`
	}
	d := document{Hosts: map[string]string{}, Groups: map[string]string{}}
	for i := range changes {
		c := &changes[i]
		key := c.Line.Name
		if names[key] > 1 {
			key = string(c.Line.Host)
		}
		if len(c.Line.Members) > 0 {
			d.Groups[key] = c.To
		} else {
			d.Hosts[key] = c.To
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	// Maps of strings can always be written.
	_ = e.Encode(d)
	return b.String()
}
