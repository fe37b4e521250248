package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the hash that all peers read and that costs them nothing to speak of
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench holds what all measurements share.
type bench struct {
	options
	dir                        string
	certificate, key, htpasswd string
	// proxyCore is where the proxies run, one at a time; loadCore where the generator and the backend do.
	proxyCore, loadCore int
	backend, grpc       string // addresses
	backendProcess      *process
	peers               []peer
}

// peer is a proxy that can be compared.
type peer struct {
	name, program string
	absent        string // why it cannot run, if that is known
	start         func(b *bench, s setup, dir string) (*running, error)
}

// running is a started proxy.
type running struct {
	*process
	plain, secure string
}

// newBench prepares certificates, users and the backend.
func newBench(o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "yett-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's worker may be another user
		return nil, err
	}
	b := &bench{options: o, dir: dir, loadCore: runtime.NumCPU() - 1}
	b.certificate, b.key, b.htpasswd = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "htpasswd")
	sum := sha1.Sum([]byte(secret)) //nolint:gosec
	line := user + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:]) + "\n"
	if err := os.WriteFile(b.htpasswd, []byte(line), 0o644); err != nil { //nolint:gosec
		return nil, err
	}
	if err := writeCertificate(b.certificate, b.key); err != nil {
		return nil, err
	}
	for i, binary := range strings.Split(o.yett, ",") {
		name := "yett"
		if i > 0 {
			name = fmt.Sprintf("yett-%d", i+1)
		}
		b.peers = append(b.peers, peer{name: name, program: binary, start: func(b *bench, s setup, dir string) (*running, error) { return startYett(b, binary, s, dir) }})
	}
	b.peers = append(b.peers, peer{name: "nginx", program: "nginx", start: startNginx}, peer{name: "haproxy", program: "haproxy", start: startHAProxy},
		peer{name: "reverseproxy", program: os.Args[0], start: startReverseProxy})
	if o.wants("caddy") {
		b.peers = append(b.peers, caddyPeer())
	}
	b.peers = slices.DeleteFunc(b.peers, func(p peer) bool { return !o.wants(p.name) })
	free, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	b.backend, b.grpc = free[0], free[1]
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if b.backendProcess, err = spawn(b.loadCore, nil, []string{maxProcs(1)}, self, "backend", b.backend, b.grpc); err != nil {
		return nil, err
	}
	return b, b.backendProcess.ready(b.backend)
}

// close ends the backend and removes the files.
func (b *bench) close() {
	b.backendProcess.stop()
	os.RemoveAll(b.dir)
}

// addresses returns where a proxy shall listen.
func (b *bench) addresses() (plain, secure string, err error) {
	free, err := freeAddresses(2)
	if err != nil {
		return "", "", err
	}
	return free[0], free[1], nil
}

// started waits until a proxy accepts.
func (b *bench) started(p *process, err error, plain, secure string) (*running, error) {
	if err != nil {
		return nil, err
	}
	if err := p.ready(plain); err != nil {
		p.stop()
		return nil, err
	}
	return &running{p, plain, secure}, nil
}

// startReverseProxy starts the standard library's. It has only one setup.
func startReverseProxy(b *bench, s setup, _ string) (*running, error) {
	if s != (setup{HTTP2: s.HTTP2, GRPC: s.GRPC, Cores: s.Cores}) {
		return nil, errNoSetup
	}
	backend, protocol := b.backend, "http/1.1"
	if s.GRPC {
		backend, protocol = b.grpc, "h2c"
	}
	plain, secure, err := b.addresses()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := spawn(b.core(s), nil, []string{maxProcs(s.workers())}, self, "reverseproxy", plain, secure, backend, protocol, b.certificate, b.key)
	return b.started(p, err, plain, secure)
}

// missing says why a peer cannot run.
func (p peer) missing() string {
	if p.absent != "" {
		return p.absent
	}
	if _, err := exec.LookPath(p.program); err != nil {
		return "not installed"
	}
	return ""
}

// version asks a peer what it is.
func (p peer) version() string {
	argument, ok := map[string]string{"nginx": "-v", "haproxy": "-v", "yett": "version", "yett-2": "version", "caddy": "version"}[p.name]
	if !ok {
		return runtime.Version()
	}
	if p.missing() != "" {
		return ""
	}
	out, _ := exec.Command(p.program, argument).CombinedOutput()
	return firstLine(string(out))
}

// firstLine returns the first line of a program's output.
func firstLine(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// writeCertificate makes a self-signed certificate of the kind most in use: ECDSA on P-256.
func writeCertificate(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host, "*." + host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}
