package connection

import (
	"net/url"
	"testing"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

var addresses = []string{
	"postgres://u:p@localhost:5432/d?sslmode=require", "postgresql:///d?host=/run/pg&user=v&password=w%2b+x",
	"postgres://a%40b:%2F%3F%23%5B%5D%40%3A%25%20+@[::1]:1/d%20e", "postgres://u:p#w@h/d", "postgres://u:p/w@h/d",
	"postgres://u:%zz@h/d", "postgres://h/d?%zz=1", "postgres://h/d?a b=1", "postgres://u@h:port/d", "mysql://h/d", "",
}

func FuzzAnAddressIsReadOrRefusedWithoutBeingRepeated(f *testing.F) {
	for _, address := range addresses {
		f.Add(address)
	}
	sentences := map[string]bool{}
	for _, refused := range []string{"mysql://h/d", "postgres://u:%zz@h/d", "postgres://h/d?%zz=1", "postgres://h/d?a b=1"} {
		_, err := parseURL(config.Setting{Name: "DB_URL", Value: refused})
		sentences[err.Error()] = true
	}
	f.Fuzz(func(t *testing.T, address string) {
		read, err := parseURL(config.Setting{Name: "DB_URL", Value: address})
		if err != nil {
			if failure.CodeOf(err) != failure.CodeRefused || !sentences[err.Error()] {
				t.Errorf("%q: %s", address, err)
			}
			return
		}
		for name := range read.more {
			if !parameterName.MatchString(name) {
				t.Errorf("%q: parameter %q", address, name)
			}
		}
	})
}

func FuzzAnyPasswordPassesThroughAnAddress(f *testing.F) {
	for _, password := range []string{"p", " a ", `'"\$%`, "@:/?#[]&=+", "%2F", "パス\nワード", "\x00\xff"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		address := url.URL{Scheme: "postgres", User: url.UserPassword("u", password), Host: "localhost", Path: "/d"}
		read, err := parseURL(config.Setting{Name: "DB_URL", Value: address.String()})
		if err != nil || read.password != password || read.host != "localhost" || read.user != "u" {
			t.Errorf("%q arrived as %q (%v)", password, read.password, err)
		}
	})
}
