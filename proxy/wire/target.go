package wire

// SetTarget parses a request target. It returns 0, or the status to answer.
func (r *Request) SetTarget(target string, a *Arena) int { return 400 }
