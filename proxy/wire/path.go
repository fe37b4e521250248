package wire

// NormalizePath returns the path that is matched.
func NormalizePath(raw string, a *Arena) (path string, status int) { return raw, 0 }
