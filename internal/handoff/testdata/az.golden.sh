#!/usr/bin/env bash
# Changes of instance types advised by leanfleet, as of 2024-02-01 00:00 UTC, policy leanfleet.
# 5 changes; together 299.94 USD less a month, as hosts pay that run all month.
# Of them 0.15 are stated to break in the 14 days after the change.
#
# leanfleet has run none of this. A host stops for the change and is started again,
# with its old type where the new one is refused; one that is stopped stays so. Read the checks above each block,
# then run the blocks you want, or all of them: bash FILE
# The subscription is that of the inventory where it is known, else the one that az is set to.
set -u
failed=0

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

# --- report-1 (azure/sub/0A1B2C3D-1111-2222-3333-444455556666)
# Standard_D4s_v3 -> Standard_D2s_v5 (shrink); saves 70.00 USD a month; chance of breaking 3.1 %; effort low
# account 0A1B2C3D-0000-2222-3333-444455556666
# check memory: 16 GiB of memory in place of 32 GiB.
if vm=$(find_vm 'vmId == '\''0a1b2c3d-1111-2222-3333-444455556666'\''' --subscription 0A1B2C3D-0000-2222-3333-444455556666); then
  az vm deallocate --ids "$vm" &&
    az vm resize --ids "$vm" --size Standard_D2s_v5 ||
    { echo 'not changed: report-1' >&2; failed=1; }
  az vm start --ids "$vm" || failed=1
else
  failed=1
fi

# --- report-2
# Standard_D4s_v3 -> Standard_D2s_v5 (shrink); saves 69.99 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
if vm=$(find_vm 'name == '\''report-2'\'''); then
  az vm deallocate --ids "$vm" &&
    az vm resize --ids "$vm" --size Standard_D2s_v5 ||
    { echo 'not changed: report-2' >&2; failed=1; }
  az vm start --ids "$vm" || failed=1
else
  failed=1
fi

# --- report-3 (/subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg (1)/providers/Microsoft.Compute/virtualMachines/report-3)
# Standard_D4s_v3 -> Standard_D2s_v5 (shrink); saves 69.98 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
if vm=$(find_vm 'name == '\''report-3'\'''); then
  az vm deallocate --ids "$vm" &&
    az vm resize --ids "$vm" --size Standard_D2s_v5 ||
    { echo 'not changed: report-3' >&2; failed=1; }
  az vm start --ids "$vm" || failed=1
else
  failed=1
fi

# --- report-4 (/subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/report-4)
# Standard_D4s_v3 -> Standard_D2s_v5 (shrink); saves 69.97 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
az vm deallocate --ids /subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/report-4 &&
  az vm resize --ids /subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/report-4 --size Standard_D2s_v5 ||
  { echo 'not changed: report-4' >&2; failed=1; }
az vm start --ids /subscriptions/0a1b2c3d-1111-2222-3333-444455556666/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/report-4 || failed=1

# --- scaling group ss, 3 members
# Standard_D4s_v3 -> Standard_D2s_v5 (shrink); saves 20.00 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
#   The size of its members is that of the scale set. Change it, then its instances; put the resource group in
#   place of RESOURCE_GROUP:
#   az vmss update --resource-group RESOURCE_GROUP --name ss --set sku.name=Standard_D2s_v5
#   az vmss update-instances --resource-group RESOURCE_GROUP --name ss --instance-ids '*'

# left out: 1 change: of no known provider
# left out: 13 changes: of aws, not azure; use -o aws-cli
# left out: 4 changes: of gcp, not azure; use -o gcloud
# left out: $(touch owned): it has no VM id, and its name is not one that Azure takes

exit "$failed"
