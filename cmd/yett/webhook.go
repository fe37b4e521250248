package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/yettproxy/yett/controllers/admission"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/webhookcert"
)

// webhookOptions are the flags of the admission webhook. The first three are those of ingress-nginx.
type webhookOptions struct {
	address, certificate, key      string
	secret, service, configuration string
}

// add adds the flags.
func (o *webhookOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.address, "validating-webhook", "", "address of the admission webhook, such as :8443; without it there is none")
	f.StringVar(&o.certificate, "validating-webhook-certificate", "", "file with its certificate; it is read again when it changes")
	f.StringVar(&o.key, "validating-webhook-key", "", "file with the key of that certificate")
	f.StringVar(&o.secret, "validating-webhook-secret", "", "instead of files: name of the Secret in the pod's namespace where its certificate is kept; it is made and renewed here")
	f.StringVar(&o.service, "validating-webhook-service", "", "name of the Service in the pod's namespace that the certificate is made for")
	f.StringVar(&o.configuration, "validating-webhook-configuration", "", "name of the ValidatingWebhookConfiguration whose caBundle is kept in step; it is left alone without")
}

// validate finds contradictions.
func (o *webhookOptions) validate() error {
	files, own := o.certificate != "" && o.key != "", o.secret != "" && o.service != ""
	switch {
	case o.address == "":
		return nil
	case files && o.secret != "":
		return errors.New("--validating-webhook-secret and --validating-webhook-certificate exclude each other: give one of them")
	case !files && !own:
		return errors.New("--validating-webhook needs a certificate: give --validating-webhook-secret and --validating-webhook-service, " +
			"or --validating-webhook-certificate and --validating-webhook-key")
	}
	return nil
}

// webhook is the admission webhook of this replica. Whatever happens to it, traffic goes on.
type webhook struct {
	server      *admission.Server
	certificate keptCertificate
	log         logr.Logger
}

// keptCertificate is a certificate that changes.
type keptCertificate interface {
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Run(context.Context) error
}

var (
	_ keptCertificate = (*webhookcert.Files)(nil)
	_ keptCertificate = (*webhookcert.Keeper)(nil)
)

// newWebhook binds the port of the webhook, or returns nil if there is to be none.
func newWebhook(o *options, config *rest.Config, mgr manager.Manager, cluster *store.Cluster, self types.NamespacedName, g *gate, log logr.Logger) (*webhook, error) {
	w := &o.webhook
	if w.address == "" {
		return nil, nil
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &networkingv1.Ingress{}, store.TieIndex, store.IndexTies); err != nil {
		return nil, fmt.Errorf("index ingresses: %w", err)
	}
	hook := &webhook{log: log}
	if w.secret == "" {
		hook.certificate = &webhookcert.Files{CertificateFile: w.certificate, KeyFile: w.key, Log: log}
	} else {
		clients, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("make client for the admission webhook: %w", err)
		}
		hook.certificate = &webhookcert.Keeper{
			Client: clients, Secret: types.NamespacedName{Namespace: self.Namespace, Name: w.secret},
			Service: types.NamespacedName{Namespace: self.Namespace, Name: w.service}, Configuration: w.configuration, Log: log,
		}
	}
	validator := &admission.Validator{World: cluster, Options: g.publisher.Options}
	var err error
	hook.server, err = admission.Listen(w.address, admission.NewHandler(validator, g.metrics, log), hook.certificate.Certificate, log)
	return hook, err
}

// run answers once there is a first table, when the caches are full, until the context ends.
func (w *webhook) run(ctx context.Context, first <-chan struct{}) error {
	if w == nil {
		return nil
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.certificate.Run(ctx); err != nil {
			w.log.Error(err, "certificate not kept any more")
		}
	})
	defer running.Wait()
	select {
	case <-ctx.Done():
		return w.server.Close()
	case <-first:
	}
	w.log.Info("answering", "address", w.server.Addr().String())
	if err := w.server.Run(ctx); err != nil {
		w.log.Error(err, "not answering any more")
	}
	return nil
}
