package handoff

import (
	"regexp"
	"strings"
)

var (
	guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	// azureName is what Azure takes as the name of a VM or a scale set.
	azureName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// azureResource is the id of a VM as a resource.
	azureResource = regexp.MustCompile(`^/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[A-Za-z0-9._()-]{1,90}/providers/Microsoft\.Compute/virtualMachines/[A-Za-z0-9._-]{1,64}$`)
)

// azureWriter writes for the Azure command line.
type azureWriter struct{ lookup bool }

func (w *azureWriter) prelude() string {
	text := "# The subscription is that of the inventory where it is known, else the one that az is set to.\nset -u\nfailed=0\n"
	if !w.lookup {
		return text
	}
	return text + `
# find_vm CONDITION [OPTION...]: the resource id of the one VM that meets it
find_vm() {
  local condition=$1 found
  shift
  found=$(az vm list "$@" --query "[?$condition].id" --output tsv) || return 1
  case $found in
  *[[:space:]]*) echo "several VMs have $condition" >&2 && return 1 ;;
  /subscriptions/*) echo "$found" ;;
  *) echo "no VM has $condition" >&2 && return 1 ;;
  esac
}
`
}

func (w *azureWriter) host(c *Change) (string, string) {
	l := c.Line
	commands := func(vm, indent string) string {
		if c.Stopped {
			// A VM that runs after all would be restarted by a resize.
			return indent + "if [ \"$(az vm get-instance-view --ids " + vm + " --query \"instanceView.statuses[?starts_with(code, 'PowerState/')].code\" --output tsv)\" = PowerState/deallocated ]; then\n" +
				indent + "  az vm resize --ids " + vm + " --size " + quote(c.To) + " ||\n" +
				indent + "    { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n" +
				indent + "else\n" +
				indent + "  echo " + quote("not changed: "+l.Name+" is not deallocated") + " >&2; failed=1\n" +
				indent + "fi\n"
		}
		return indent + "az vm deallocate --ids " + vm + " &&\n" +
			indent + "  az vm resize --ids " + vm + " --size " + quote(c.To) + " ||\n" +
			indent + "  { echo " + quote("not changed: "+l.Name) + " >&2; failed=1; }\n" +
			indent + "az vm start --ids " + vm + " || failed=1\n"
	}
	if id := string(l.Host); azureResource.MatchString(id) {
		return commands(quote(id), ""), ""
	}
	var condition string
	switch id := lastPart(l); {
	case guid.MatchString(id):
		condition = "vmId == '" + strings.ToLower(id) + "'"
	case azureName.MatchString(l.Name):
		condition = "name == '" + l.Name + "'"
	default:
		return "", "it has no VM id, and its name is not one that Azure takes"
	}
	w.lookup = true
	find := "find_vm " + quote(condition)
	if guid.MatchString(l.Account) {
		find += " --subscription " + quote(l.Account)
	}
	return "if vm=$(" + find + "); then\n" + commands(`"$vm"`, "  ") + "else\n  failed=1\nfi\n", ""
}

func (w *azureWriter) group(c *Change) (string, string) {
	l := c.Line
	if !azureName.MatchString(l.OwnedBy) {
		return "", "the name of its scale set is not one that Azure takes"
	}
	name := quote(l.OwnedBy)
	return "The size of its members is that of the scale set. Change it, then its instances; put the resource group in\n" +
		"place of RESOURCE_GROUP:\n" +
		"az vmss update --resource-group RESOURCE_GROUP --name " + name + " --set " + quote("sku.name="+c.To) + "\n" +
		"az vmss update-instances --resource-group RESOURCE_GROUP --name " + name + " --instance-ids '*'\n", ""
}

func (w *azureWriter) stop(c *Change) string {
	if id := string(c.Line.Host); azureResource.MatchString(id) {
		return "az vm deallocate --ids " + quote(id) + "\n"
	}
	return ""
}
