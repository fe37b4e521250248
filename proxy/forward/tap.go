package forward

// tap shows a part of the body to whoever wants to see it on its way.
func (b *body) tap(s *flight, p []byte, end bool) {
	if t := s.x.Tap; t != nil && (end || len(p) > 0) {
		t.Tap(p, end)
	}
}
