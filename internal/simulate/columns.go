package simulate

import "github.com/leanfleet/leanfleet/fleet"

// The columns of a generated row, in the order of the canonical stored metrics.
const (
	colCPU = iota
	colPeak
	colSteal
	colIOWait
	colLoad
	colMemory
	colSwap
	colDisk
	colRead
	colWrite
	colReceive
	colTransmit
	colReadOps
	colWriteOps
	colProcesses
	colSessions
	colVCPUs
	colMemoryMiB
	colUp
	colUptime
	columns
)

// columnNames are the metrics' names by column; a test holds them against the
// canonical metrics.
var columnNames = [columns]string{
	"cpu_usage", "cpu_usage_peak", "cpu_steal", "cpu_iowait", "load1", "memory_usage", "swap_usage", "disk_usage",
	"disk_read_bytes_per_second", "disk_write_bytes_per_second", "network_receive_bytes_per_second", "network_transmit_bytes_per_second",
	"disk_read_ops_per_second", "disk_write_ops_per_second", "processes", "sessions", "capacity_vcpus", "capacity_memory_bytes", "up", "uptime_seconds",
}

// columnIndex is the column of a metric, -1 if there is none.
func columnIndex(m fleet.Metric) int {
	for i, name := range columnNames {
		if m.Name == name {
			return i
		}
	}
	return -1
}
