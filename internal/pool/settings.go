package pool

import "pinfold.dev/pinfold"

// Settings is what a function may claim of the pool.
type Settings struct {
	// Reserved is how many of its invocations may run at a time, which no other
	// function can take from it; 0 stops it. Nil: it shares what no function has
	// reserved.
	Reserved *int
	// Queue lets invocations wait at the limit. Nil: they are refused.
	Queue *pinfold.Queue
	// Provisioned is what is kept ready for it. It counts against Reserved or, if
	// that is nil, is taken from what all functions share.
	Provisioned []Provision
}

// Provision is a number of instances of a version that are kept ready. An alias
// with two versions has two of them.
type Provision struct {
	Target  string // the alias or version number that it is asked for
	Version *pinfold.Version
	Count   int
}

// Status is how far the provisioned instances of a target are.
type Status struct {
	Requested int
	Allocated int // are up
	Available int // are up and not retired; the same as Allocated, AWS has both
	State     ProvisionState
	Reason    string // why State is ProvisionFailed
}

// ProvisionState is what Lambda calls the Status of provisioned concurrency.
type ProvisionState string

// The states of provisioned concurrency. Source: GetProvisionedConcurrencyConfig,
// Lambda API reference.
const (
	ProvisionInProgress ProvisionState = "IN_PROGRESS"
	ProvisionReady      ProvisionState = "READY"
	ProvisionFailed     ProvisionState = "FAILED" // the last launch failed; it is tried again
)
