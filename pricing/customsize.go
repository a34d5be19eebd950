package pricing

// CustomSize is the size that the name of a custom machine type of GCP spells
// out, such as n2-custom-4-16384 or custom-2-8192, in vCPUs and bytes; false of
// any other name. Shared-core types show 2 vCPUs.
func CustomSize(instanceType string) (vcpus int, memoryBytes int64, ok bool) {
	c, ok := parseCustom(instanceType)
	if !ok {
		return 0, 0, false
	}
	return c.vcpus, c.memoryMiB << 20, true
}
