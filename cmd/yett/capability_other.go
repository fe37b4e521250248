//go:build !linux

package main

// raiseBind does nothing: capabilities are Linux's.
func raiseBind() {}

// permitBind does nothing: capabilities are Linux's.
func permitBind(string) error { return nil }
