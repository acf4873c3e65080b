package function

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// URLChange is a change of a function URL: nil leaves a field as it is.
type URLChange struct {
	AuthType   *string
	InvokeMode *string
	CORS       **pinfold.CORS // pointer to nil: none
}

// CreateURL makes the URL of a function, or of the alias that ref's Qualifier
// names. An empty invokeMode is BUFFERED.
func (r *Registry) CreateURL(ctx context.Context, ref pinfold.FunctionRef, authType, invokeMode string, cors *pinfold.CORS) (*pinfold.URL, error) {
	if err := r.checkURL(ref); err != nil {
		return nil, err
	}
	fill(&invokeMode, "BUFFERED")
	u := &pinfold.URL{Ref: ref, ID: pinfold.URLID(ref), AuthType: authType, InvokeMode: invokeMode, CORS: cors, Created: r.now()}
	u.Modified = u.Created
	err := r.update(ctx, ref, func(tx store.Tx) error {
		if err := urlOwner(tx, ref); err != nil {
			return err
		}
		if _, err := tx.URLs().Get(qualifiedKey(ref, ref.Qualifier)); err == nil {
			return conflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", ref.ARN())
		} else if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		return putURL(tx, u)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// GetURL returns the URL of a function or alias.
func (r *Registry) GetURL(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.URL, error) {
	if err := r.checkURL(ref); err != nil {
		return nil, err
	}
	var u pinfold.URL
	err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		u, err = tx.URLs().Get(qualifiedKey(ref, ref.Qualifier))
		return orMissing(err, noSuchResource())
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// UpdateURL changes a URL.
func (r *Registry) UpdateURL(ctx context.Context, ref pinfold.FunctionRef, c URLChange) (*pinfold.URL, error) {
	if err := r.checkURL(ref); err != nil {
		return nil, err
	}
	var u pinfold.URL
	err := r.update(ctx, ref, func(tx store.Tx) (err error) {
		if err := urlOwner(tx, ref); err != nil {
			return err
		}
		if u, err = tx.URLs().Get(qualifiedKey(ref, ref.Qualifier)); err != nil {
			return orMissing(err, noSuchResource())
		}
		set(&u.AuthType, c.AuthType)
		set(&u.InvokeMode, c.InvokeMode)
		set(&u.CORS, c.CORS)
		u.Modified = r.now()
		return putURL(tx, &u)
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// DeleteURL removes the URL of a function or alias.
func (r *Registry) DeleteURL(ctx context.Context, ref pinfold.FunctionRef) error {
	if err := r.checkURL(ref); err != nil {
		return err
	}
	return r.update(ctx, ref, func(tx store.Tx) error {
		key := qualifiedKey(ref, ref.Qualifier)
		if _, err := tx.URLs().Get(key); err != nil {
			return orMissing(err, noSuchResource())
		}
		return tx.URLs().Delete(key)
	})
}

// ListURLs returns the URLs of a function and its aliases, and the marker of
// the next page or "".
func (r *Registry) ListURLs(ctx context.Context, ref pinfold.FunctionRef, p Page) (urls []*pinfold.URL, next string, err error) {
	return listOf(ctx, r, ref, p, store.Tx.URLs, nil)
}

// URLs returns every function URL there is, for the gateway to open doors.
func (r *Registry) URLs(ctx context.Context) (urls []pinfold.URL, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		records, err := tx.URLs().List(r.scopeKey(), nil, 0)
		for _, record := range records {
			urls = append(urls, record.Value)
		}
		return err
	})
	return urls, err
}

func (r *Registry) checkURL(ref pinfold.FunctionRef) error {
	if err := r.mine(ref); err != nil {
		return err
	}
	if ref.Qualifier != "" && (!isAlias(ref.Qualifier) || !isName(ref.Qualifier)) {
		return constraint(ref.Qualifier, "qualifier", `Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`)
	}
	return nil
}

// urlOwner makes sure that the function, and the alias if one is named, are there.
func urlOwner(tx store.Tx, ref pinfold.FunctionRef) error {
	missing := notFound("Function does not exist")
	if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
		return orMissing(err, missing)
	}
	if ref.Qualifier == "" {
		return nil
	}
	_, err := tx.Aliases().Get(qualifiedKey(ref, ref.Qualifier))
	return orMissing(err, missing)
}

func putURL(tx store.Tx, u *pinfold.URL) error {
	if u.AuthType == "" {
		return invalid("AuthType must be NONE or AWS_IAM")
	}
	if err := checkEnum(u.AuthType, "authType", "NONE", "AWS_IAM"); err != nil {
		return err
	}
	if err := checkEnum(u.InvokeMode, "invokeMode", "RESPONSE_STREAM", "BUFFERED"); err != nil {
		return err
	}
	if u.CORS != nil {
		if err := checkRange(u.CORS.MaxAge, "cors.maxAge", 0, 86400); err != nil {
			return err
		}
	}
	return tx.URLs().Put(qualifiedKey(u.Ref, u.Ref.Qualifier), *u)
}
