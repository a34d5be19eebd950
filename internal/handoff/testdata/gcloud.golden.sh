#!/usr/bin/env bash
# Changes of instance types advised by leanfleet, as of 2024-02-01 00:00 UTC, policy leanfleet.
# 4 changes; together 152.00 USD less a month, as hosts pay that run all month.
# Of them 0.12 are stated to break in the 14 days after the change.
#
# leanfleet has run none of this. A host stops for the change and is started again,
# with its old type where the new one is refused; one that is stopped stays so. Read the checks above each block,
# then run the blocks you want, or all of them: bash FILE
# The project is that of the inventory where it is known, else the one that gcloud is set to.
set -u
failed=0

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

# --- batch-1
# n2-standard-4 -> e2-standard-2 (shrink); saves 64.52 USD a month; chance of breaking 3.1 %; effort low
# account my-project
# check memory: 16 GiB of memory in place of 32 GiB.
gcloud compute instances stop batch-1 --zone us-central1-a --project my-project &&
  gcloud compute instances set-machine-type batch-1 --zone us-central1-a --project my-project --machine-type e2-standard-2 ||
  { echo 'not changed: batch-1' >&2; failed=1; }
gcloud compute instances start batch-1 --zone us-central1-a --project my-project || failed=1

# --- batch-2
# n2-standard-4 -> e2-standard-2 (shrink); saves 64.51 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
if zone=$(find_zone us-central1 batch-2); then
  gcloud compute instances stop batch-2 --zone "$zone" &&
    gcloud compute instances set-machine-type batch-2 --zone "$zone" --machine-type e2-standard-2 ||
    { echo 'not changed: batch-2' >&2; failed=1; }
  gcloud compute instances start batch-2 --zone "$zone" || failed=1
else
  failed=1
fi

# --- scaling group mig, 3 members
# n2-standard-4 -> e2-standard-2 (shrink); saves 20.00 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
#   The size of its members is in the instance template of the group. Make another template like it with
#   --machine-type e2-standard-2, and let the group take it; put its name in place of TEMPLATE:
#   gcloud compute instance-groups managed describe mig --region us-central1 --format 'value(instanceTemplate)'
#   gcloud compute instance-groups managed rolling-action start-update mig --region us-central1 --version template=TEMPLATE

# --- `touch owned` (tick)
# m5.large -> e2-small (shrink); saves 2.97 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
if zone=$(find_zone us-central1 tick); then
  gcloud compute instances stop tick --zone "$zone" &&
    gcloud compute instances set-machine-type tick --zone "$zone" --machine-type e2-small ||
    { echo 'not changed: `touch owned`' >&2; failed=1; }
  gcloud compute instances start tick --zone "$zone" || failed=1
else
  failed=1
fi

# left out: 1 change: of no known provider
# left out: 13 changes: of aws, not gcp; use -o aws-cli
# left out: 6 changes: of azure, not gcp; use -o az

exit "$failed"
