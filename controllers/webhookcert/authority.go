package webhookcert

// How certificates change without a failed handshake. Replicas read the Secret at different times, and the API server learns its
// caBundle later than they do. So what is shown by one state must be trusted by the state before it and by the one after it, and
// states are at least overlap apart:
//
//	new authority   it joins the bundle; what is shown stays as it was, signed by the older one
//	new leaf        signed by the newest authority, once that has been in the bundle for overlap
//	old authority   leaves the bundle once the new leaf has been shown for overlap
//
// The surprise: nothing else is remembered than the certificates themselves. When each was made tells what is due.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	// authorityLife and leafLife are how long certificates are good; they are replaced after two thirds.
	authorityLife = 3 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// overlap is how long a change is given to reach all replicas and API servers before the next builds on it.
	overlap = 5 * time.Minute
	// backdated is how far the clock of an API server may be behind.
	backdated = time.Hour
)

// The keys of the Secret.
const (
	authoritiesKey  = "ca.crt"
	authorityKeyKey = "ca.key"
	leafKey         = "tls.crt"
	leafKeyKey      = "tls.key"
)

// state is what the Secret holds. It is immutable.
type state struct {
	// authorities are what clients are to trust; key belongs to the first.
	authorities []*x509.Certificate
	key         crypto.Signer
	// leaf is what is shown, with Leaf set.
	leaf *tls.Certificate
}

// parse reads a Secret. It returns nil for one that holds no whole state.
func parse(data map[string][]byte) *state {
	s := &state{}
	for rest := data[authoritiesKey]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA {
			return nil
		}
		s.authorities = append(s.authorities, c)
	}
	pair, err := tls.X509KeyPair(data[leafKey], data[leafKeyKey])
	if err != nil || len(s.authorities) == 0 {
		return nil
	}
	block, _ := pem.Decode(data[authorityKeyKey])
	if block == nil {
		return nil
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil || !key.PublicKey.Equal(s.authorities[0].PublicKey) {
		return nil
	}
	s.key, s.leaf = key, &pair
	return s
}

// bundle returns what clients are to trust as PEM.
func (s *state) bundle() []byte {
	var b bytes.Buffer
	for _, c := range s.authorities {
		b.Write(certificatePEM(c.Raw))
	}
	return b.Bytes()
}

// data returns the content of the Secret.
func (s *state) data() (map[string][]byte, error) {
	authorityKey, err := keyPEM(s.key)
	if err != nil {
		return nil, err
	}
	key, err := keyPEM(s.leaf.PrivateKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		authoritiesKey: s.bundle(), authorityKeyKey: authorityKey, leafKey: certificatePEM(s.leaf.Leaf.Raw), leafKeyKey: key,
	}, nil
}

// advance returns the state that is to follow another at some time, or the same if nothing is due. names are what the webhook is
// called. Without a state before, it begins anew.
func advance(s *state, now time.Time, names []string) (*state, error) {
	if s == nil || !good(s.authorities[0], now) {
		return begin(now, names)
	}
	newest := s.authorities[0]
	signed := s.leaf.Leaf.CheckSignatureFrom(newest) == nil
	switch {
	case !s.trusted(now, names):
		return s.issue(now, names)
	case due(newest, now, authorityLife):
		return s.succeed(now)
	case signed && due(s.leaf.Leaf, now, leafLife), !signed && now.Sub(made(newest)) >= overlap:
		return s.issue(now, names)
	case signed && len(s.authorities) > 1 && now.Sub(made(s.leaf.Leaf)) >= overlap:
		return &state{authorities: s.authorities[:1], key: s.key, leaf: s.leaf}, nil
	}
	return s, nil
}

// good reports whether a certificate has not expired.
func good(c *x509.Certificate, now time.Time) bool { return now.Before(c.NotAfter) }

// made is when a certificate was made.
func made(c *x509.Certificate) time.Time { return c.NotBefore.Add(backdated) }

// due reports whether two thirds of a certificate's life are over.
func due(c *x509.Certificate, now time.Time, life time.Duration) bool {
	return now.Sub(made(c)) >= life*2/3
}

// trusted reports whether what is shown convinces whoever trusts the bundle.
func (s *state) trusted(now time.Time, names []string) bool {
	leaf := s.leaf.Leaf
	if !good(leaf, now) || !slices.Equal(leaf.DNSNames, names) {
		return false
	}
	return slices.ContainsFunc(s.authorities, func(c *x509.Certificate) bool {
		return good(c, now) && leaf.CheckSignatureFrom(c) == nil
	})
}

// begin returns a first state.
func begin(now time.Time, names []string) (*state, error) {
	s, err := (&state{}).succeed(now)
	if err != nil {
		return nil, err
	}
	return s.issue(now, names)
}

// succeed returns a state with a new authority, which signs from now on.
func (s *state) succeed(now time.Time) (*state, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	serial := rand.Text()
	c := template(now, authorityLife)
	c.Subject = pkix.Name{CommonName: "yett admission webhook " + serial[:8]}
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	authority, err := sign(c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	// Whoever deletes the Secret again and again must not fill it.
	const most = 4
	authorities := append([]*x509.Certificate{authority}, s.authorities...)
	return &state{authorities: authorities[:min(most, len(authorities))], key: key, leaf: s.leaf}, nil
}

// issue returns a state with a new leaf.
func (s *state) issue(now time.Time, names []string) (*state, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	c := template(now, leafLife)
	c.Subject, c.DNSNames = pkix.Name{CommonName: "yett admission webhook"}, names
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf, err := sign(c, s.authorities[0], key.Public(), s.key)
	if err != nil {
		return nil, err
	}
	return &state{authorities: s.authorities, key: s.key, leaf: &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}}, nil
}

// template returns what all certificates have in common.
func template(now time.Time, life time.Duration) *x509.Certificate {
	number := new(big.Int).SetBytes([]byte(rand.Text())[:16])
	return &x509.Certificate{SerialNumber: number, NotBefore: now.Add(-backdated), NotAfter: now.Add(life)}
}

// sign makes a certificate.
func sign(c, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return made, nil
}

// certificatePEM returns a certificate as text.
func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// keyPEM returns a key as text.
func keyPEM(key crypto.PrivateKey) ([]byte, error) {
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("write key: %T is not ours", key)
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
