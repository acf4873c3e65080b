package function

import (
	"cmp"
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// LayerPermission is one statement to add to the policy of a layer version.
type LayerPermission struct {
	StatementID    string
	Action         string // lambda:GetLayerVersion
	Principal      string // an account, the root of one as an ARN, or *
	OrganizationID string
	RevisionID     string // what the policy must have, if not ""
}

// AddLayerPermission adds a statement to the policy of a layer version. It
// returns the statement as JSON and the policy's new revision.
func (r *Registry) AddLayerPermission(ctx context.Context, name LayerName, p LayerPermission) (text, revision string, err error) {
	if err := cmp.Or(
		checkPattern(p.StatementID, "statementId", statementPattern), checkLength(p.StatementID, "statementId", 100),
		checkEnum(p.Action, "action", "lambda:GetLayerVersion"),
	); err != nil {
		return "", "", err
	}
	s, err := Permission{StatementID: p.StatementID, Action: p.Action, Principal: p.Principal, OrganizationID: p.OrganizationID}.statement(name.ARN())
	if err != nil {
		return "", "", err
	}
	revision, err = r.changeLayerPolicy(ctx, name, p.RevisionID, func(doc *policy) error { return doc.add(s) })
	if err != nil {
		return "", "", err
	}
	return compact(s), revision, nil
}

// RemoveLayerPermission removes a statement; the policy goes with its last one.
// revision, if not "", is what the policy must have.
func (r *Registry) RemoveLayerPermission(ctx context.Context, name LayerName, statementID, revision string) error {
	_, err := r.changeLayerPolicy(ctx, name, revision, func(doc *policy) error { return doc.remove(statementID) })
	return err
}

// LayerPolicy returns the policy of a layer version.
func (r *Registry) LayerPolicy(ctx context.Context, name LayerName) (*store.Policy, error) {
	var found store.Policy
	err := r.o.Store.View(ctx, func(tx store.Tx) error {
		if err := layerThere(tx, name); err != nil {
			return err
		}
		var err error
		found, err = tx.Policies().Get(policyKey(name.Account, name.Region, name.ARN()))
		return orMissing(err, noPolicy())
	})
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// changeLayerPolicy changes the policy document of a layer version and returns
// its new revision. Texts: localstack's provider, which is held against
// recordings of the real service.
func (r *Registry) changeLayerPolicy(ctx context.Context, name LayerName, revision string, change func(*policy) error) (changed string, err error) {
	err = r.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := layerThere(tx, name); err != nil {
			return err
		}
		key := policyKey(name.Account, name.Region, name.ARN())
		err := editPolicy(tx, key, revision, change)
		if pinfold.ReasonOf(err) == preconditionFailed {
			return pinfold.Errorf(pinfold.Conflict, "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id").WithReason(preconditionFailed)
		}
		if err != nil {
			return err
		}
		doc, err := tx.Policies().Get(key)
		changed = doc.RevisionID
		return orMissing(err, nil) // the last statement has gone
	})
	return changed, err
}

func layerThere(tx store.Tx, name LayerName) error {
	if name.Version < 1 {
		return invalid("Layer Version Cannot be less than 1")
	}
	_, err := getLayer(tx, name)
	return orMissing(err, notFound("Layer version %s does not exist.", name.ARN()))
}
