//go:build linux

package main

import "context"

func rivals(ctx context.Context, b *bench) error { return nil }
func soak(ctx context.Context, b *bench) error   { return nil }
