package proxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccessLogGoesToTheFileAndBack(t *testing.T) {
	var stream strings.Builder
	s := &logSink{stream: &stream}
	file := filepath.Join(t.TempDir(), "access.log")
	write := func(text string) {
		t.Helper()
		if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d %v", n, err)
		}
	}
	use := func(path string, fails bool) {
		t.Helper()
		if err := s.use(path); (err != nil) != fails {
			t.Errorf("%q: %v", path, err)
		}
	}
	write("1 ")
	use(file, false)
	write("2 ")
	use(file, false)
	use(filepath.Join(file, "no", "folder"), true)
	write("3 ")
	use("", false)
	write("4 ")
	use(file, false)
	write("5 ")
	inFile, err := os.ReadFile(file)
	if err != nil || string(inFile) != "2 3 5 " || stream.String() != "1 4 " {
		t.Errorf("file %q %v, stream %q", inFile, err, stream.String())
	}
}
