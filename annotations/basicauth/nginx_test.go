package basicauth

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/nginxtest"
)

// TestNginxAgrees logs in to a real nginx and to our filter with the same file.
func TestNginxAgrees(t *testing.T) {
	var file strings.Builder
	file.WriteString("# all formats\nplain:{PLAIN}a b:comment\r\nempty:{PLAIN}\ntwice:{PLAIN}one\ntwice:{PLAIN}two\nbare:secret\n")
	users := []string{"plain", "empty", "twice", "bare", "nobody", "# all formats", ""}
	for tool, text := range hashes {
		name := strings.NewReplacer(" ", "-", ",", "").Replace(tool)
		fmt.Fprintf(&file, "%s:%s\n", name, text)
		users = append(users, name)
	}
	server := nginxtest.Start(t, map[string]string{"users": file.String()}, "",
		`auth_basic "r"; auth_basic_user_file users; location / { empty_gif; }`)
	f := build(t, newEnv(), file.String())
	var tokens []string
	for _, user := range users {
		for _, password := range []string{"secret", "secretsecret", "secre", "", "a b", "one", "two", "{PLAIN}secret"} {
			tokens = append(tokens, basic(user+":"+password))
		}
	}
	good := basic("plain:a b")
	tokens = append(tokens, "", "Basic", "Basic ", "basic"+good[5:], "Basic  "+good[6:], strings.TrimRight(good, "="), "Bearer x",
		good[:len(good)-2], "Basic !!!", basic("plain"), good+"x")
	in := 0
	for _, token := range tokens {
		theirs := login(t, server.Client, token)
		var authorization []string
		if token != "" {
			authorization = []string{token}
		}
		ours, _ := ask(f, authorization...)
		if ours == 0 {
			ours = 200
			in++
		}
		if theirs != ours {
			t.Errorf("%q: nginx answers %d, ours %d", token, theirs, ours)
		}
	}
	if in < len(hashes) {
		t.Errorf("only %d logins worked", in)
	}
}

// login sends a request to nginx and returns the status.
func login(t *testing.T, client *http.Client, authorization string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode
}
