package leanfleet

import (
	"context"

	"github.com/leanfleet/leanfleet/internal/store"
)

// RepairRequest asks to drop the days that cannot be read.
type RepairRequest struct {
	// Drop deletes them; otherwise they are only listed.
	Drop bool `json:"drop,omitempty"`
	// Verify reads every file whole, against its checksum.
	Verify bool `json:"verify,omitempty"`
}

// RepairResult says what was found, and dropped where that was asked.
type RepairResult struct {
	Dropped bool                `json:"dropped"`
	Damaged []store.FileProblem `json:"damaged"`
}

// Repair lists the days whose files are missing or not what was written, and
// drops them if that is asked: their samples are lost, and can then be imported
// again. Restoring the files from a backup is better.
func (m *Monitor) Repair(ctx context.Context, req RepairRequest) (RepairResult, error) {
	found, err := m.store.DropDamaged(ctx, !req.Drop, req.Verify)
	if found == nil {
		found = []store.FileProblem{}
	}
	return RepairResult{Dropped: req.Drop && len(found) > 0, Damaged: found}, err
}
