package translate

// Memo keeps what is dear to compute from one Translate to the next: parsed certificates. It changes how
// long Translate takes and nothing else. The zero value is ready; it is safe for concurrent use.
type Memo struct{}
