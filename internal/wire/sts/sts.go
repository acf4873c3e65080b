// Package sts is the adapter of AWS's Security Token Service: who am I.
//
// It is a room of the wire layer: it answers from what the listener has found
// out about the request's sender, and knows no service.
package sts

import (
	"context"
	"log/slog"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Options is what the adapter needs of the platform.
type Options struct {
	Authorizer pinfold.Authorizer
	Log        *slog.Logger
}

// New returns the server of the service.
func New(o Options) (*protocol.Server, error) {
	return protocol.NewServer(&Model, adapter{}, protocol.Options{
		// "No permissions are required to perform this operation" (GetCallerIdentity,
		// STS API reference); the hook is asked all the same, and refuses whoever has
		// no identity to tell.
		Authorize: func(ctx context.Context, operation string, _ any) error {
			who := protocol.CallerFrom(ctx).Principal
			return o.Authorizer.Authorize(ctx, who, pinfold.Action{Name: "sts:" + operation, Resource: "*"})
		},
		Log: o.Log,
	})
}

type adapter struct{}

func (adapter) GetCallerIdentity(ctx context.Context, _ *GetCallerIdentityRequest) (*GetCallerIdentityResponse, error) {
	who := protocol.CallerFrom(ctx).Principal
	return &GetCallerIdentityResponse{Account: &who.Account, Arn: &who.ARN, UserId: &who.UserID}, nil
}
