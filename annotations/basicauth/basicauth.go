package basicauth

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

const (
	typeKey       = "auth-type"
	secretKey     = "auth-secret"
	secretTypeKey = "auth-secret-type"
	realmKey      = "auth-realm"
	exceptKey     = "no-auth-locations"
)

// fileKey is the key of a Secret that holds an htpasswd file.
const fileKey = "auth"

// Family declares the keys.
var Family = feature.Family{
	Name:  "basicauth",
	Doc:   "Users and passwords.",
	Order: 20, // behind the lists of addresses, before external authentication
	Keys: []feature.Key{
		{
			Name: typeKey, Type: "basic or digest", OnInvalid: feature.DenyRoute,
			Doc: "Asks for a user and a password. The Service does not get to see them.",
			Note: "digest is MD5 with the protection auth, as in nginx's module; clients that leave out the protection or the count are not let in, and " +
				"there is no Authentication-Info. A nonce is good for five minutes and each count of it for one request; where there are several replicas a " +
				"client that comes to another one is asked once more, which browsers answer by themselves.",
		},
		{
			Name: secretKey, Type: "name or namespace/name of a Secret", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc: "The Secret with the users.",
			Note: "A line that cannot be read keeps only its user out, and is reported; where nobody is left the paths answer 503, not 401. " +
				"bcrypt hashes of a cost above 14 and SHA-crypt hashes of more than a million rounds are refused.",
		},
		{
			Name: secretTypeKey, Type: "auth-file or auth-map", Default: "auth-file", OnInvalid: feature.DenyRoute,
			Doc: "auth-file: the key auth of the Secret holds an htpasswd file, or for digest an htdigest file. auth-map: each key is a user, its value the rest of its line.",
		},
		{
			Name: realmKey, Type: "text", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc:  "What browsers show when they ask for the password. Of an htdigest file only the lines with this realm count.",
			Note: `Any printable ASCII is fine. In ingress-nginx the realm "off" switches authentication off; here it is a realm.`,
		},
	},
	Settings: []feature.Key{{
		Name: exceptKey, Type: "list of path prefixes", Default: "/.well-known/acme-challenge",
		Doc: "Paths of Ingress rules that neither basic nor external authentication guards.",
	}},
	Apply: apply,
}

// apply adds the filter, and before it one that keeps the credentials from the Service.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(typeKey) {
		switch {
		case in.Present(typeKey):
			in.Refuse(typeKey, "it is empty: write basic or digest, or remove the annotation")
		case in.HasAnnotation(secretKey):
			in.Warn(secretKey, "it does nothing without auth-type: write auth-type: basic")
		}
		return
	}
	kind := strings.ToLower(in.String(typeKey))
	if kind != "basic" && kind != "digest" {
		in.Refuse(typeKey, "unknown value: write basic or digest")
		return
	}
	realm := in.Matching(realmKey, isPrintable, "printable ASCII")
	form := passwords
	if kind == "digest" {
		form = digests(realm)
	}
	credentials, secret, ok := readUsers(in, form)
	if !ok {
		return
	}
	except := strings.Join(in.List(exceptKey), ",")
	out.AddFilter(Conceal{Except: except})
	if kind == "digest" {
		out.AddFilter(DigestSpec{Realm: realm, Secret: secret, Users: credentials, Except: except})
		return
	}
	out.AddFilter(Spec{Realm: realm, Secret: secret, Users: credentials, Except: except})
}

// format is a way to write users down.
type format struct {
	name string
	// readFile looks for mistakes in a file; readMap does in a Secret with a key for each user, and returns it as a file.
	readFile func(text string) ([]mistake, error)
	readMap  func(data map[string][]byte) (string, []mistake, error)
}

// passwords is the format of basic authentication.
var passwords = format{"htpasswd", func(text string) ([]mistake, error) { return readFile(text, nil) }, readMap}

// digests is the format of digest authentication, for one realm.
func digests(realm string) format {
	return format{
		"htdigest",
		func(text string) ([]mistake, error) {
			_, mistakes, err := readDigestFile(text, realm)
			return mistakes, err
		},
		func(data map[string][]byte) (string, []mistake, error) { return readDigestMap(data, realm) },
	}
}

// maxShown is how many bad lines of a Secret are named; more would drown everything else.
const maxShown = 10

// readUsers reads the Secret.
func readUsers(in *feature.Reader, form format) (credentials Credentials, secret string, ok bool) {
	mode := in.Enum(secretTypeKey, "auth-file", "auth-map")
	if !in.HasAnnotation(secretKey) {
		in.Refuse(secretKey, "auth-type needs it: name the Secret with the users")
		return "", "", false
	}
	data, secret, ok := in.Secret(secretKey)
	if !ok {
		return "", "", false
	}
	var file string
	var mistakes []mistake
	var err error
	if mode == "auth-map" {
		file, mistakes, err = form.readMap(data)
	} else {
		raw, ok := data[fileKey]
		if !ok {
			in.Lack(secretKey, "the Secret %s has no key %q: put an %s file there, or write auth-secret-type: auth-map",
				secret, fileKey, form.name)
			return "", "", false
		}
		file = string(raw)
		mistakes, err = form.readFile(file)
	}
	for i, m := range mistakes {
		if i == maxShown {
			in.Warn(secretKey, "Secret %s: %d more users cannot log in", secret, len(mistakes)-maxShown)
			break
		}
		in.Warn(secretKey, "Secret %s: %v; nobody can log in with it", secret, m)
	}
	if err != nil {
		in.Lack(secretKey, "Secret %s: %v", secret, err)
		return "", "", false
	}
	return Credentials(file), secret, true
}

// isPrintable reports whether text is printable ASCII.
func isPrintable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

// excepted reports whether a path of a rule begins with one of a comma list of prefixes. It compares the rule's
// path, not that of a request, as ingress-nginx does.
func excepted(path, list string) bool {
	for prefix := range strings.SplitSeq(list, ",") {
		if prefix != "" && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
