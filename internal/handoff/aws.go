package handoff

import (
	"fmt"
	"regexp"
)

var (
	awsInstance = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)
	// awsName is what can be looked for as a Name tag: without the wildcards that
	// filters know.
	awsName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._:/=+@-]{0,254}$`)
)

// awsWriter writes for the AWS command line.
type awsWriter struct{ lookup bool }

func (w *awsWriter) prelude() string {
	text := "# Region and instance are those of the inventory; the profile is yours: export AWS_PROFILE=...\nset -u\nfailed=0\n"
	if !w.lookup {
		return text
	}
	return text + `
# find_instance REGION NAME STATE: the id of the one instance with this Name tag that is in this state
find_instance() {
  local found
  found=$(aws ec2 describe-instances --region "$1" --output text --query 'Reservations[].Instances[].InstanceId' \
    --filters "[{\"Name\":\"tag:Name\",\"Values\":[\"$2\"]},{\"Name\":\"instance-state-name\",\"Values\":[\"$3\"]}]") || return 1
  case $found in
  i-*[[:space:]]*) echo "$2: several instances have this name: $found" >&2 && return 1 ;;
  i-*) echo "$found" ;;
  *) echo "$2: no $3 instance has this name in $1" >&2 && return 1 ;;
  esac
}
`
}

func (w *awsWriter) host(c *Change) (string, string) {
	l := c.Line
	region := quote(l.Region)
	commands := func(instance, indent string) string {
		change := quote(fmt.Sprintf(`{"Value":"%s"}`, c.To))
		if c.Stopped {
			return indent + "aws ec2 modify-instance-attribute --region " + region + " --instance-id " + instance + " --instance-type " + change + " ||\n" +
				indent + "  { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n"
		}
		return indent + "aws ec2 stop-instances --region " + region + " --instance-ids " + instance + " &&\n" +
			indent + "  aws ec2 wait instance-stopped --region " + region + " --instance-ids " + instance + " &&\n" +
			indent + "  aws ec2 modify-instance-attribute --region " + region + " --instance-id " + instance + " --instance-type " + change + " ||\n" +
			indent + "  { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n" +
			indent + "aws ec2 start-instances --region " + region + " --instance-ids " + instance + " || failed=1\n" +
			indent + "aws ec2 wait instance-running --region " + region + " --instance-ids " + instance + " || failed=1\n"
	}
	for _, id := range []string{lastPart(l), l.Name} {
		if awsInstance.MatchString(id) {
			return commands(id, ""), ""
		}
	}
	if !awsName.MatchString(l.Name) {
		return "", "it has no instance id, and its name cannot be looked for"
	}
	w.lookup = true
	state := "running"
	if c.Stopped {
		state = "stopped"
	}
	return "if instance=$(find_instance " + region + " " + quote(l.Name) + " " + state + "); then\n" + commands(`"$instance"`, "  ") + "else\n  failed=1\nfi\n", ""
}

func (w *awsWriter) group(c *Change) (string, string) {
	l := c.Line
	if !awsName.MatchString(l.OwnedBy) {
		return "", "the name of its scaling group is not one that a command takes"
	}
	region, name := quote(l.Region), quote(l.OwnedBy)
	return "The size of its members is in the launch template of the group. Find it, make a version of it, and let\n" +
		"the group take it; put the template's id in place of LAUNCH_TEMPLATE:\n" +
		"aws autoscaling describe-auto-scaling-groups --region " + region + " --auto-scaling-group-names " + name +
		" --query 'AutoScalingGroups[].[LaunchTemplate,MixedInstancesPolicy]'\n" +
		"aws ec2 create-launch-template-version --region " + region + " --launch-template-id LAUNCH_TEMPLATE --source-version '$Latest'" +
		" --launch-template-data " + quote(fmt.Sprintf(`{"InstanceType":"%s"}`, c.To)) + "\n" +
		"aws autoscaling start-instance-refresh --region " + region + " --auto-scaling-group-name " + name + "\n", ""
}

func (w *awsWriter) stop(c *Change) string {
	if id := lastPart(c.Line); awsInstance.MatchString(id) && len(c.Line.Members) == 0 {
		return "aws ec2 stop-instances --region " + quote(c.Line.Region) + " --instance-ids " + id + "\n"
	}
	return ""
}
