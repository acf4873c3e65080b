package function

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const (
	maxLayers        = 5 // of one function
	maxLayerRuntimes = 15
	maxLicense       = 512
)

// NewLayer is a layer version to publish.
type NewLayer struct {
	Name          string
	Description   string
	Runtimes      []string
	Architectures []string
	License       string
	Code          pinfold.Package
}

// PublishLayer makes the next version of a layer. Numbers are never used
// again, not even when all versions have been deleted.
func (r *Registry) PublishLayer(ctx context.Context, n NewLayer) (*pinfold.Layer, error) {
	name, err := r.Layer(n.Name)
	if err != nil {
		return nil, err
	}
	if err := r.checkLayer(ctx, name, n); err != nil {
		return nil, err
	}
	layer := &pinfold.Layer{
		Account: name.Account, Region: name.Region, Name: name.Name,
		Description: n.Description, Runtimes: n.Runtimes, Architectures: n.Architectures, License: n.License,
		Code: n.Code, Created: r.now(),
	}
	err = r.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := r.checkStorage(tx, n.Code.Size); err != nil {
			return err
		}
		number, err := next(tx, store.Key{name.Account, name.Region, "layer-version:" + name.Name})
		if err != nil {
			return err
		}
		layer.Version = int(number)
		return tx.Layers().Put(layerKey(name, layer.Version), *layer)
	})
	if err != nil {
		return nil, err
	}
	return layer, nil
}

func (r *Registry) checkLayer(ctx context.Context, name LayerName, n NewLayer) error {
	if name.Account != r.o.Scope.Account || name.Region != r.o.Scope.Region {
		return pinfold.Errorf(pinfold.Denied, "%s belongs to another account or region", name.ARN()).WithReason(accessDenied)
	}
	if name.Version != 0 {
		return invalid("%s names a version: a layer is published by its name alone", name.ARN())
	}
	if len(n.Runtimes) > maxLayerRuntimes {
		return constraint("["+strings.Join(n.Runtimes, ", ")+"]", "compatibleRuntimes", "Member must have length less than or equal to %d", maxLayerRuntimes)
	}
	for _, a := range n.Architectures {
		if err := checkEnum(a, "compatibleArchitectures", "x86_64", "arm64"); err != nil {
			return err
		}
	}
	if err := checkLength(n.Description, "description", maxDescription); err != nil {
		return err
	}
	if err := checkLength(n.License, "licenseInfo", maxLicense); err != nil {
		return err
	}
	return r.checkUnzipped(ctx, n.Code, nil)
}

// GetLayer returns a layer version.
func (r *Registry) GetLayer(ctx context.Context, name LayerName) (layer *pinfold.Layer, err error) {
	if name.Version < 1 {
		return nil, invalid("Layer Version Cannot be less than 1")
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		layer, err = getLayer(tx, name)
		return err
	})
	return layer, err
}

func getLayer(tx store.Tx, name LayerName) (*pinfold.Layer, error) {
	layer, err := tx.Layers().Get(layerKey(name, name.Version))
	if err != nil {
		return nil, orMissing(err, noSuchResource())
	}
	return &layer, nil
}

// LayerFilter narrows a list of layers; empty fields do not.
type LayerFilter struct {
	Runtime, Architecture string
}

// fits follows AWS: a layer that names no runtime or architecture fits none.
func (f LayerFilter) fits(l pinfold.Layer) bool {
	return (f.Runtime == "" || slices.Contains(l.Runtimes, f.Runtime)) &&
		(f.Architecture == "" || slices.Contains(l.Architectures, f.Architecture))
}

// ListLayers returns the newest fitting version of every layer by name, and
// the marker of the next page or "".
func (r *Registry) ListLayers(ctx context.Context, f LayerFilter, p Page) (layers []*pinfold.Layer, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Layers().List(r.scopeKey(), after, 0)
		if err != nil {
			return err
		}
		for _, record := range all { // ascending: a later version replaces an earlier one
			switch newest := len(layers) - 1; {
			case !f.fits(record.Value):
			case newest >= 0 && layers[newest].Name == record.Value.Name:
				layers[newest] = &record.Value
			case len(layers) == p.limit():
				next = marker(append(r.scopeKey(), layers[newest].Name, behindVersions))
				return nil
			default:
				layers = append(layers, &record.Value)
			}
		}
		return nil
	})
	return layers, next, err
}

// behindVersions is an element of a key that comes after every version.
const behindVersions = "~"

// ListLayerVersions returns the fitting versions of a layer, the newest first,
// and the marker of the next page or "". A layer that is not there has none.
func (r *Registry) ListLayerVersions(ctx context.Context, name LayerName, f LayerFilter, p Page) (layers []*pinfold.Layer, next string, err error) {
	before, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Layers().List(store.Key{name.Account, name.Region, name.Name}, nil, 0)
		if err != nil {
			return err
		}
		for _, record := range slices.Backward(all) {
			if !f.fits(record.Value) || before != nil && slices.Compare(record.Key, before) >= 0 {
				continue
			}
			if len(layers) == p.limit() {
				next = marker(layerKey(name, layers[len(layers)-1].Version))
				return nil
			}
			layers = append(layers, &record.Value)
		}
		return nil
	})
	return layers, next, err
}

// DeleteLayer removes a layer version with its policy. Functions that use it
// go on. One that is not there is not an error.
func (r *Registry) DeleteLayer(ctx context.Context, name LayerName) error {
	if name.Version < 1 {
		return invalid("Layer Version Cannot be less than 1")
	}
	return r.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Policies().Delete(policyKey(name.Account, name.Region, name.ARN())); err != nil {
			return err
		}
		return tx.Layers().Delete(layerKey(name, name.Version))
	})
}

func layerKey(name LayerName, version int) store.Key {
	return store.Key{name.Account, name.Region, name.Name, store.VersionKey(strconv.Itoa(version))}
}

// resolveLayers finds a function's layers by their ARNs and holds them against
// AWS's rules.
func (r *Registry) resolveLayers(ctx context.Context, arns []string) (layers []pinfold.LayerRef, err error) {
	if len(arns) > maxLayers {
		return nil, invalid("Cannot reference more than %d layers.", maxLayers)
	}
	seen := map[string]string{}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		for _, arn := range arns {
			name, err := r.Layer(arn)
			if err != nil || name.Version == 0 || !strings.HasPrefix(arn, "arn:") {
				return constraint("["+arn+"]", "layers", "Member must satisfy constraint: [Member must satisfy regular expression pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+]")
			}
			if name.Region != r.o.Scope.Region {
				return invalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", r.o.Scope.Region)
			}
			layer, err := getLayer(tx, name)
			if err != nil {
				return orMissing(err, invalid("Layer version %s does not exist.", arn))
			}
			whole := strings.TrimSuffix(arn, ":"+strconv.Itoa(name.Version))
			if other, twice := seen[whole]; twice {
				return invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, arn)
			}
			seen[whole] = arn
			layers = append(layers, pinfold.LayerRef{ARN: arn, Code: layer.Code})
		}
		return nil
	})
	return layers, err
}
