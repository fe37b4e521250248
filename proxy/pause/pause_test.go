package pause

import (
	"context"
	"testing"
	"time"
)

func TestAPauseEndsByItselfOrWithItsContext(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for name, tt := range map[string]struct {
		ctx   context.Context
		d     time.Duration
		whole bool
		least time.Duration
	}{
		"it ends by itself":             {context.Background(), 20 * time.Millisecond, true, 20 * time.Millisecond},
		"it ends with its context":      {soon, time.Hour, false, 0},
		"the context has ended already": {ended, time.Hour, false, 0},
		"no time at all":                {context.Background(), 0, true, 0},
		"no time and no context":        {ended, -1, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			if whole := For(tt.ctx, tt.d); whole != tt.whole || time.Since(begun) < tt.least {
				t.Errorf("%v after %s", whole, time.Since(begun))
			}
		})
	}
}
