package azure

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
)

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// sku returns a SKU in the shape of the compute API.
func sku(name string, caps ...string) m {
	var list []m
	for i := 0; i < len(caps); i += 2 {
		list = append(list, m{"name": caps[i], "value": caps[i+1]})
	}
	return m{"resourceType": "virtualMachines", "name": name, "tier": "Standard", "family": "standardDSv3Family", "locations": []string{"eastus"}, "capabilities": list}
}

// withSKUs points the real SDK at a fake of the compute API.
func withSKUs(t *testing.T, o Options, answer func(w http.ResponseWriter, r *http.Request, base string)) Options {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /subscriptions/sub-1/providers/Microsoft.Compute/skus", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r, server.URL)
	})
	o.Subscription, o.Credential = "sub-1", token{}
	o.ClientOptions = &arm.ClientOptions{DisableRPRegistration: true, ClientOptions: azcore.ClientOptions{
		InsecureAllowCredentialWithHTTP: true,
		Retry:                           policy.RetryOptions{RetryDelay: time.Microsecond, MaxRetryDelay: time.Microsecond},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: server.URL, Audience: "audience"}}},
	}}
	return o
}

func TestSpecifications(t *testing.T) {
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
	calls := 0
	o := withSKUs(t, f.options(), func(w http.ResponseWriter, r *http.Request, base string) {
		calls++
		if calls == 1 { // the SDK tries again by itself
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if r.URL.Query().Get("page") == "2" {
			fmt.Fprint(w, quoted(m{"value": []m{
				sku("Standard_E4-2ads_v5", "vCPUs", "4", "vCPUsAvailable", "2", "MemoryGB", "32", "MaxResourceVolumeMB", "153600"),
				sku("Standard_D2s_v3", "vCPUs", "99")}}))
			return
		}
		if got := r.URL.Query().Get("$filter"); got != "location eq 'eastus'" {
			t.Error(got)
		}
		disk := sku("Premium_LRS")
		disk["resourceType"] = "disks"
		fmt.Fprint(w, quoted(m{"nextLink": base + "/subscriptions/sub-1/providers/Microsoft.Compute/skus?page=2", "value": []m{
			disk,
			sku("Standard_D2s_v3", "vCPUs", "2", "MemoryGB", "8", "CpuArchitectureType", "x64", "HyperVGenerations", "V1,V2",
				"MaxResourceVolumeMB", "16384", "AcceleratedNetworkingEnabled", "True", "UncachedDiskBytesPerSecond", "50331648", "UncachedDiskIOPS", "3200"),
			sku("Standard_DC4ads_v6", "vCPUs", "4", "MemoryGB", "16", "CpuArchitectureType", "x64", "HyperVGenerations", "V2",
				"MaxResourceVolumeMB", "0", "NvmeDiskSizeInMiB", "225280", "DiskControllerTypes", "NVMe", "ConfidentialComputingType", "SNP", "AcceleratedNetworkingEnabled", "False", "UncachedDiskIOPS", "0"),
		}}))
	})
	items, err := collect(t, New(o), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{"Standard_D2s_v3 linux on_demand 0.096 USD",
		"spec Standard_D2s_v3", "spec Standard_DC4ads_v6", "spec Standard_E4-2ads_v5"})
	var got []string
	for _, i := range items[1:] {
		b, err := json.Marshal(i.Spec)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(b, &fields); err != nil {
			t.Fatal(err)
		}
		s := i.Spec.InstanceType
		for _, k := range []string{"vcpus", "memory_bytes", "arch", "image_generations", "temporary_disk", "local_disk", "gpus", "confidential", "disk_interface", "accelerated_networking", "disk_bytes_per_second", "disk_iops"} {
			s += fmt.Sprintf(" %v", fields[k])
		}
		got = append(got, s)
		if i.Spec.VCPUs.Source != "azure resource skus" {
			t.Error(i.Spec.VCPUs)
		}
	}
	same(t, got, []string{
		"Standard_D2s_v3 2 8.589934592e+09 x86_64 [1 2] true map[gib:16 present:true] 0 <nil> <nil> true 5.0331648e+07 3200",
		"Standard_DC4ads_v6 4 1.7179869184e+10 x86_64 [2] true map[gib:220 present:true] 0 true nvme false <nil> <nil>",
		"Standard_E4-2ads_v5 2 3.4359738368e+10 <nil> <nil> true map[gib:150 present:true] 0 <nil> <nil> <nil> <nil> <nil>",
	})
}

func TestSpecificationKeepsUnknown(t *testing.T) {
	for _, c := range []struct {
		name string
		caps []string
		want []string // of what is known
	}{
		{"Standard_X", nil, nil},
		{"Standard_X", []string{"vCPUs", "many", "MemoryGB", "-1", "CpuArchitectureType", "sparc", "HyperVGenerations", "V9", "MaxResourceVolumeMB", "some"}, []string{"gpus"}},
		{"Standard_X", []string{"MemoryGB", "0.0000000001"}, []string{"gpus"}},
		{"Standard_X", []string{"MaxResourceVolumeMB", "1", "NvmeDiskSizeInMiB", "x"}, []string{"gpus"}},
		{"Standard_X", []string{"MemoryGB", "0.75", "CpuArchitectureType", "Arm64"}, []string{"arch", "gpus", "memory_bytes"}},
		{"Standard_NV4as_v4", []string{"vCPUs", "4"}, []string{"vcpus"}},
		{"Standard_NC6", []string{"GPUs", "1", "DiskControllerTypes", "SCSI,NVMe"}, []string{"disk_interface", "gpus"}},
		{"Standard_NC6", []string{"GPUs", "x", "DiskControllerTypes", "SCSI"}, []string{"disk_interface"}},
		{"Standard_NC6", []string{"GPUs", "x", "UncachedDiskBytesPerSecond", "-1", "UncachedDiskIOPS", "fast", "AcceleratedNetworkingEnabled", "maybe"}, nil},
		{"Standard_NC6", []string{"GPUs", "x", "UncachedDiskBytesPerSecond", "1", "UncachedDiskIOPS", "1", "AcceleratedNetworkingEnabled", "false"}, []string{"accelerated_networking", "disk_bytes_per_second", "disk_iops"}},
	} {
		raw, err := json.Marshal(sku(c.name, c.caps...))
		if err != nil {
			t.Fatal(err)
		}
		spec, ok := specification(decodeSKU(raw))
		if !ok {
			t.Fatal(c)
		}
		var known []string
		for _, k := range []string{"accelerated_networking", "arch", "confidential", "disk_bytes_per_second", "disk_interface", "disk_iops", "gpus", "image_generations", "local_disk", "memory_bytes", "temporary_disk", "vcpus"} {
			if _, ok := spec.Sources()[k]; ok {
				known = append(known, k)
			}
		}
		if d := cmp.Diff(c.want, known); d != "" {
			t.Errorf("%v:\n%s", c.caps, d)
		}
	}
	if _, ok := specification(nil); ok {
		t.Error("a SKU of nothing")
	}
}

func TestSpecificationsRefused(t *testing.T) {
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
	o := withSKUs(t, f.options(), func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"code":"AuthorizationFailed","message":"no"}}`)
	})
	items, err := collect(t, New(o), "eastus")
	if err == nil || len(items) != 1 || !strings.Contains(err.Error(), "subscription sub-1") || !strings.Contains(err.Error(), "AuthorizationFailed") || strings.Contains(err.Error(), "secret-token") {
		t.Error(lines(items), err)
	}
	// Stop within the specifications.
	o = withSKUs(t, f.options(), func(w http.ResponseWriter, _ *http.Request, _ string) {
		fmt.Fprint(w, quoted(m{"value": []m{sku("Standard_A", "vCPUs", "1"), sku("Standard_B", "vCPUs", "1")}}))
	})
	for item := range New(o).Items(t.Context(), "eastus") {
		if item.Spec != nil {
			if item.Spec.InstanceType != "Standard_A" {
				t.Error(item.Spec)
			}
			break
		}
	}
}

// Without credentials the specifications are an error that says what to do, and
// the prices have come before it.
func TestSpecificationsWithoutCredentials(t *testing.T) {
	for _, v := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "PATH"} {
		t.Setenv(v, "")
	}
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
	o := f.options()
	o.Subscription = "sub-1"
	items, err := collect(t, New(o), "eastus")
	if len(items) != 1 || err == nil || !strings.Contains(err.Error(), "Reader role") {
		t.Error(lines(items), err)
	}
}
