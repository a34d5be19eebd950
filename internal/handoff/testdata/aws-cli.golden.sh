#!/usr/bin/env bash
# Changes of instance types advised by leanfleet, as of 2024-02-01 00:00 UTC, policy leanfleet.
# 6 changes; together 503.76 USD less a month, as hosts pay that run all month.
# Of them 0.19 are stated to break in the 14 days after the change.
#
# leanfleet has run none of this. A host stops for the change and is started again,
# with its old type where the new one is refused; one that is stopped stays so. Read the checks above each block,
# then run the blocks you want, or all of them: bash FILE
# Region and instance are those of the inventory; the profile is yours: export AWS_PROFILE=...
set -u
failed=0

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

# --- web-1 (aws/123456789012/i-0abc12345def67890)
# m5.2xlarge -> m5.large (shrink); saves 210.24 USD a month; chance of breaking 3.1 %; effort medium
# account 123456789012
# check hypervisor: drivers\nfor Nitro
# check memory: 16 GiB of memory in place of 32 GiB.
aws ec2 stop-instances --region us-east-1 --instance-ids i-0abc12345def67890 &&
  aws ec2 wait instance-stopped --region us-east-1 --instance-ids i-0abc12345def67890 &&
  aws ec2 modify-instance-attribute --region us-east-1 --instance-id i-0abc12345def67890 --instance-type '{"Value":"m5.large"}' ||
  { echo 'not changed: web-1' >&2; failed=1; }
aws ec2 start-instances --region us-east-1 --instance-ids i-0abc12345def67890 || failed=1
aws ec2 wait instance-running --region us-east-1 --instance-ids i-0abc12345def67890 || failed=1

# --- scaling group asg-web, 3 members
# m5.xlarge -> m5.large (shrink); saves 200.00 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
#   The size of its members is in the launch template of the group. Find it, make a version of it, and let
#   the group take it; put the template's id in place of LAUNCH_TEMPLATE:
#   aws autoscaling describe-auto-scaling-groups --region us-east-1 --auto-scaling-group-names asg-web --query 'AutoScalingGroups[].[LaunchTemplate,MixedInstancesPolicy]'
#   aws ec2 create-launch-template-version --region us-east-1 --launch-template-id LAUNCH_TEMPLATE --source-version '$Latest' --launch-template-data '{"InstanceType":"m5.large"}'
#   aws autoscaling start-instance-refresh --region us-east-1 --auto-scaling-group-name asg-web

# --- web-2
# c5.xlarge -> c7a.medium (shrink); saves 86.64 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
if instance=$(find_instance eu-west-1 web-2 running); then
  aws ec2 stop-instances --region eu-west-1 --instance-ids "$instance" &&
    aws ec2 wait instance-stopped --region eu-west-1 --instance-ids "$instance" &&
    aws ec2 modify-instance-attribute --region eu-west-1 --instance-id "$instance" --instance-type '{"Value":"c7a.medium"}' ||
    { echo 'not changed: web-2' >&2; failed=1; }
  aws ec2 start-instances --region eu-west-1 --instance-ids "$instance" || failed=1
  aws ec2 wait instance-running --region eu-west-1 --instance-ids "$instance" || failed=1
else
  failed=1
fi

# --- it's; touch owned (i-0123456789abcdef0)
# m5.large -> m5.medium (shrink); saves 2.96 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
aws ec2 stop-instances --region us-east-1 --instance-ids i-0123456789abcdef0 &&
  aws ec2 wait instance-stopped --region us-east-1 --instance-ids i-0123456789abcdef0 &&
  aws ec2 modify-instance-attribute --region us-east-1 --instance-id i-0123456789abcdef0 --instance-type '{"Value":"m5.medium"}' ||
  { echo 'not changed: it'\''s; touch owned' >&2; failed=1; }
aws ec2 start-instances --region us-east-1 --instance-ids i-0123456789abcdef0 || failed=1
aws ec2 wait instance-running --region us-east-1 --instance-ids i-0123456789abcdef0 || failed=1

# --- --profile=evil (i-0123456789abcdef4)
# m5.large -> m5.medium (shrink); saves 2.92 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
aws ec2 stop-instances --region us-east-1 --instance-ids i-0123456789abcdef4 &&
  aws ec2 wait instance-stopped --region us-east-1 --instance-ids i-0123456789abcdef4 &&
  aws ec2 modify-instance-attribute --region us-east-1 --instance-id i-0123456789abcdef4 --instance-type '{"Value":"m5.medium"}' ||
  { echo 'not changed: --profile=evil' >&2; failed=1; }
aws ec2 start-instances --region us-east-1 --instance-ids i-0123456789abcdef4 || failed=1
aws ec2 wait instance-running --region us-east-1 --instance-ids i-0123456789abcdef4 || failed=1

# --- sleepy (i-0123456789abcdef9)
# m5.large -> t3.micro (shrink); saves 1.00 USD a month; chance of breaking 3.1 %; effort low
# check memory: 16 GiB of memory in place of 32 GiB.
aws ec2 stop-instances --region us-east-1 --instance-ids i-0123456789abcdef9 &&
  aws ec2 wait instance-stopped --region us-east-1 --instance-ids i-0123456789abcdef9 &&
  aws ec2 modify-instance-attribute --region us-east-1 --instance-id i-0123456789abcdef9 --instance-type '{"Value":"t3.micro"}' ||
  { echo 'not changed: sleepy' >&2; failed=1; }
aws ec2 start-instances --region us-east-1 --instance-ids i-0123456789abcdef9 || failed=1
aws ec2 wait instance-running --region us-east-1 --instance-ids i-0123456789abcdef9 || failed=1
# It is idle: stopping it instead would save 2.00 USD a month:
#   aws ec2 stop-instances --region us-east-1 --instance-ids i-0123456789abcdef9

# left out: 1 change: of no known provider
# left out: 6 changes: of azure, not aws; use -o az
# left out: 4 changes: of gcp, not aws; use -o gcloud
# left out: evil\ntouch owned: the name of its scaling group is not one that a command takes
# left out: x"; touch owned #: it has no instance id, and its name cannot be looked for
# left out: a\ntouch owned\n#: it has no instance id, and its name cannot be looked for
# left out: ok-1: its region "us-east-1; touch owned" is not one that a command takes
# left out: ok-2: its instance type "m5.medium\" ; touch owned" is not one that a command takes
# left out: ok-3: its region is not known
# left out: --profile=evil: it has no instance id, and its name cannot be looked for

exit "$failed"
