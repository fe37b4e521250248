package webhookcert

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Files takes the certificate from files, and again whenever they change.
type Files struct {
	// Certificate and Key are their names; both are in PEM.
	CertificateFile, KeyFile string
	Log                      logr.Logger

	watcher atomic.Pointer[certwatcher.CertWatcher]
}

// Certificate implements the field of tls.Config.
func (f *Files) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if w := f.watcher.Load(); w != nil {
		return w.GetCertificate(hello)
	}
	return nil, errNone
}

// readAgain is the pause before files are read again that were not there: whoever writes them may be late.
const readAgain = 5 * time.Second

// Run reads the files until the context ends.
func (f *Files) Run(ctx context.Context) error {
	for {
		w, err := certwatcher.New(f.CertificateFile, f.KeyFile)
		if err == nil {
			f.watcher.Store(w)
			if err := w.Start(ctx); err != nil {
				return fmt.Errorf("watch certificate of the admission webhook: %w", err)
			}
			return nil
		}
		f.Log.Error(err, "certificate of the admission webhook not read; will try again")
		if !sleep(ctx, readAgain, nil) {
			return nil
		}
	}
}
