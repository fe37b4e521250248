package webhookcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Keeper keeps the certificate in a Secret.
type Keeper struct {
	Client kubernetes.Interface
	// Secret is where certificate and authority are kept; it is made if there is none. Keys of others in it are left alone.
	Secret types.NamespacedName
	// Service is what the API server calls the webhook by.
	Service types.NamespacedName
	// Configuration is the ValidatingWebhookConfiguration whose webhooks behind Service are told whom to trust; "" for none.
	Configuration string
	Log           logr.Logger

	current atomic.Pointer[tls.Certificate]
	// last is the state that was kept last; only Run uses it.
	last *state
}

// errNone is what clients make us say before there is a certificate.
var errNone = errors.New("there is no certificate for the admission webhook yet")

// Certificate implements the field of tls.Config.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.current.Load(); c != nil {
		return c, nil
	}
	return nil, errNone
}

const (
	// lookEvery is how often everything is looked at, whatever was watched.
	lookEvery = time.Minute
	// calm is the least time between two looks: somebody may write against us.
	calm = 200 * time.Millisecond
	// lookAgain and lookAgainMost are the pauses after an error.
	lookAgain, lookAgainMost = 500 * time.Millisecond, 30 * time.Second
	// conflicts is how often one look goes over again because another replica was first.
	conflicts = 5
	// patience is how long one look may take.
	patience = 15 * time.Second
)

// Run keeps the certificate until the context ends. It never gives up: what goes wrong is logged, and what is shown stays.
func (k *Keeper) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	k.watch(ctx, changed)
	pause := lookAgain
	for {
		next := lookEvery
		looking, cancel := context.WithTimeout(ctx, patience)
		err := k.look(looking, time.Now())
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			k.Log.Error(err, "certificate of the admission webhook")
			next, pause = pause, min(2*pause, lookAgainMost)
		default:
			pause = lookAgain
		}
		if !sleep(ctx, min(calm, next), nil) || !sleep(ctx, next, changed) {
			return nil
		}
	}
}

// sleep waits, or until something changes, and reports whether to go on.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-changed:
	}
	return true
}

// names are the names of the webhook.
func (k *Keeper) names() []string {
	s := k.Service
	return []string{s.Name + "." + s.Namespace + ".svc", s.Name + "." + s.Namespace, s.Name}
}

// look brings Secret, what is shown and what is trusted in step once.
func (k *Keeper) look(ctx context.Context, now time.Time) error {
	for range conflicts {
		s, foreign, err := k.settle(ctx, now)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue // another replica was first: what it made is as good
		}
		if s == nil {
			return err
		}
		k.last = s
		// Trust goes first, so that the first certificate of all is trusted when it is shown.
		err = errors.Join(err, k.trust(ctx, append(s.bundle(), foreign...)))
		k.current.Store(s.leaf)
		return err
	}
	return fmt.Errorf("write secret %s: others keep writing it", k.Secret)
}

// foreignAuthority is the key under which the jobs of ingress-nginx's chart keep their authority. Its certificate may still be shown by
// the pods that are being replaced, so it stays trusted as long as it is there.
const foreignAuthority = "ca"

// settle reads the Secret and writes what is due into it. If it could not be written, the state that was there is returned along with
// the error.
func (k *Keeper) settle(ctx context.Context, now time.Time) (s *state, foreign []byte, err error) {
	secrets := k.Client.CoreV1().Secrets(k.Secret.Namespace)
	secret, err := secrets.Get(ctx, k.Secret.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		secret = nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("get secret %s: %w", k.Secret, err)
	}
	var have *state
	if secret != nil {
		have, foreign = parse(secret.Data), secret.Data[foreignAuthority]
	}
	before := have
	if have == nil && k.last != nil {
		// The Secret was deleted or spoilt while its certificate is being shown: that is how one asks for a new authority.
		if have, err = k.last.succeed(now); err != nil {
			return nil, nil, err
		}
	}
	next, err := advance(have, now, k.names())
	if err != nil || next == before {
		return next, foreign, err
	}
	if err := k.write(ctx, secret, next); err != nil {
		return before, foreign, err
	}
	k.Log.Info("certificate of the admission webhook renewed", "secret", k.Secret.String(), "authorities", len(next.authorities),
		"notAfter", next.leaf.Leaf.NotAfter.Format(time.RFC3339))
	return next, foreign, nil
}

// write puts a state into the Secret, unless it has changed since it was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, s *state) error {
	data, err := s.data()
	if err != nil {
		return err
	}
	secrets := k.Client.CoreV1().Secrets(k.Secret.Namespace)
	if secret == nil {
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: k.Secret.Namespace, Name: k.Secret.Name}, Data: data}
		if _, err := secrets.Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create secret %s: %w", k.Secret, err)
		}
		return nil
	}
	secret = secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = make(map[string][]byte, len(data))
	}
	maps.Copy(secret.Data, data)
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update secret %s: %w", k.Secret, err)
	}
	return nil
}

// patch is one step of a JSON patch (RFC 6902).
type patch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// trust tells the API server whom to trust. It writes nothing else, and only where something else stands.
func (k *Keeper) trust(ctx context.Context, bundle []byte) error {
	if k.Configuration == "" {
		return nil
	}
	configurations := k.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	c, err := configurations.Get(ctx, k.Configuration, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get ValidatingWebhookConfiguration %s: %w", k.Configuration, err)
	}
	var steps []patch
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		s := w.ClientConfig.Service
		if s == nil || s.Namespace != k.Service.Namespace || s.Name != k.Service.Name || bytes.Equal(w.ClientConfig.CABundle, bundle) {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d/", i)
		steps = append(steps, patch{"test", at + "name", w.Name}, patch{"add", at + "clientConfig/caBundle", bundle})
	}
	if len(steps) == 0 {
		return nil
	}
	body, err := json.Marshal(steps)
	if err != nil {
		return fmt.Errorf("write patch: %w", err)
	}
	if _, err := configurations.Patch(ctx, k.Configuration, types.JSONPatchType, body, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patch ValidatingWebhookConfiguration %s: %w", k.Configuration, err)
	}
	k.Log.Info("caBundle written", "configuration", k.Configuration, "webhooks", len(steps)/2)
	return nil
}
