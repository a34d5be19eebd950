package handoff

import "regexp"

// gcpName is what Google takes as the name of an instance or a group.
var gcpName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// gcpWriter writes for the Google Cloud command line.
type gcpWriter struct{ lookup bool }

func (w *gcpWriter) prelude() string {
	text := "# The project is that of the inventory where it is known, else the one that gcloud is set to.\nset -u\nfailed=0\n"
	if !w.lookup {
		return text
	}
	return text + `
# find_zone REGION NAME [OPTION...]: the zone of the one instance of this name
find_zone() {
  local region=$1 name=$2 found
  shift 2
  found=$(gcloud compute instances list "$@" --filter="name=$name AND zone~/$region-[a-z]$" --format='value(zone.basename())') || return 1
  case $found in
  *[[:space:]]*) echo "several instances are called $name: $found" >&2 && return 1 ;;
  "$region"-*) echo "$found" ;;
  *) echo "no instance is called $name in $region" >&2 && return 1 ;;
  esac
}
`
}

func (w *gcpWriter) host(c *Change) (string, string) {
	l := c.Line
	name := l.Name
	if !gcpName.MatchString(name) {
		if name = lastPart(l); !gcpName.MatchString(name) {
			return "", "its name is not one that Google takes"
		}
	}
	project := ""
	if l.Account != "" {
		project = " --project " + quote(l.Account)
	}
	commands := func(zone, indent string) string {
		where := " " + name + " --zone " + zone + project
		if c.Stopped {
			return indent + "gcloud compute instances set-machine-type" + where + " --machine-type " + quote(c.To) + " ||\n" +
				indent + "  { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n"
		}
		return indent + "gcloud compute instances stop" + where + " &&\n" +
			indent + "  gcloud compute instances set-machine-type" + where + " --machine-type " + quote(c.To) + " ||\n" +
			indent + "  { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n" +
			indent + "gcloud compute instances start" + where + " || failed=1\n"
	}
	if l.Zone != "" {
		return commands(quote(l.Zone), ""), ""
	}
	w.lookup = true
	return "if zone=$(find_zone " + quote(l.Region) + " " + name + project + "); then\n" + commands(`"$zone"`, "  ") + "else\n  failed=1\nfi\n", ""
}

func (w *gcpWriter) group(c *Change) (string, string) {
	l := c.Line
	if !gcpName.MatchString(l.OwnedBy) {
		return "", "the name of its instance group is not one that Google takes"
	}
	return "The size of its members is in the instance template of the group. Make another template like it with\n" +
		"--machine-type " + quote(c.To) + ", and let the group take it; put its name in place of TEMPLATE:\n" +
		"gcloud compute instance-groups managed describe " + l.OwnedBy + " --region " + quote(l.Region) + " --format 'value(instanceTemplate)'\n" +
		"gcloud compute instance-groups managed rolling-action start-update " + l.OwnedBy + " --region " + quote(l.Region) + " --version template=TEMPLATE\n", ""
}

func (w *gcpWriter) stop(c *Change) string {
	if l := c.Line; gcpName.MatchString(l.Name) && l.Zone != "" {
		return "gcloud compute instances stop " + l.Name + " --zone " + quote(l.Zone) + "\n"
	}
	return ""
}
