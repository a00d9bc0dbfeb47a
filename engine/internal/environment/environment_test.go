package environment

import (
	"testing"

	"avion.internal/migrate/internal/failure"
)

func TestEnvironmentIsKnownByItsNamesInAnyCase(t *testing.T) {
	for want, spellings := range map[Environment][]string{
		Development: {"development", "Development", "DEVELOPMENT", "dev", "DEV", "local"},
		Test:        {"test", "TEST", "testing", "ci", "CI"},
		Staging:     {"staging", "Staging", "stage", "stg", "STG"},
		Production:  {"production", "Production", "PRODUCTION", "prod", "Prod", "prd", "live"},
	} {
		for _, spelling := range spellings {
			if got, err := Parse(spelling); err != nil || got != want {
				t.Errorf("%q is %q (%v), not %s", spelling, got, err, want)
			}
		}
	}
}

func TestAnUnknownEnvironmentIsRefused(t *testing.T) {
	for _, value := range []string{
		"", " ", "prodution", "production ", " production", "production\n", `"production"`, "'production'", "prod # yes",
		"deve", "developmen", "qa", "uat", "preprod", "none", "null", "0", "true", "ｐroduction", "dev,test",
	} {
		if got, err := Parse(value); failure.CodeOf(err) != failure.CodeRefused {
			t.Errorf("%q was taken for %q", value, got)
		}
	}
}

func TestOnlyADatabaseOnThisMachineIsTakenForDevelopment(t *testing.T) {
	if got, err := Infer(Host{Name: "localhost", Local: true}); err != nil || got != Development {
		t.Errorf("a local host is %q (%v)", got, err)
	}
	if _, err := Infer(Host{Name: "db.internal"}); err == nil {
		t.Error("a remote host was taken for development")
	}
}

func TestKeysOfTheConfigurationAreFullNames(t *testing.T) {
	if _, err := ParseKey("production"); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"prod", "Production", "", "qa"} {
		if _, err := ParseKey(key); err == nil {
			t.Errorf("%q was accepted", key)
		}
	}
}

func TestTLSIsDemandedByEnvironmentAndHost(t *testing.T) {
	local := Host{Name: "localhost", Local: true}
	compose := Host{Name: "postgres"}
	remote := Host{Name: "db.internal"}
	plaintext := Rules{PlaintextHosts: []string{"postgres"}}
	for _, c := range []struct {
		environment Environment
		rules       Rules
		host        Host
		want        SSLMode
	}{
		{Development, Rules{}, local, SSLDisable},
		{Development, Rules{}, compose, SSLRequire},
		{Development, plaintext, compose, SSLDisable},
		{Development, plaintext, remote, SSLRequire},
		{Development, Rules{SSLMode: SSLVerifyFull}, local, SSLVerifyFull},
		{Test, Rules{}, local, SSLDisable},
		{Test, plaintext, compose, SSLDisable},
		{Test, Rules{}, remote, SSLRequire},
		{Staging, Rules{}, local, SSLDisable},
		{Staging, Rules{SSLMode: SSLRequire}, local, SSLRequire},
		{Staging, plaintext, compose, SSLRequire},
		{Staging, Rules{}, remote, SSLRequire},
		{Production, Rules{}, local, SSLRequire},
		{Production, Rules{}, remote, SSLRequire},
		{Production, plaintext, compose, SSLRequire},
		{Production, Rules{SSLMode: SSLDisable}, local, SSLRequire},
		{Production, Rules{SSLMode: SSLVerifyCA}, local, SSLVerifyCA},
		{Production, Rules{SSLMode: SSLVerifyFull}, remote, SSLVerifyFull},
	} {
		if got := c.environment.DemandedSSLMode(c.rules, c.host); got != c.want {
			t.Errorf("%s, %+v, host %s: %s, not %s", c.environment, c.rules, c.host.Name, got, c.want)
		}
	}
}

func TestOnlyDevelopmentAndTestAreDisposable(t *testing.T) {
	for environment, allowed := range map[Environment]bool{Development: true, Test: true, Staging: false, Production: false} {
		if err := environment.CheckDisposable("reset"); (err == nil) != allowed {
			t.Errorf("%s: %v", environment, err)
		}
		if err := environment.Check(Rules{PlaintextHosts: []string{"x"}}); (err == nil) != allowed {
			t.Errorf("plaintext_hosts in %s: %v", environment, err)
		}
	}
}

func TestOnlyProductionNeedsConsentToRollBack(t *testing.T) {
	for environment, needed := range map[Environment]bool{Development: false, Test: false, Staging: false, Production: true} {
		if environment.NeedsConsent() != needed {
			t.Error(environment)
		}
	}
}

func TestTheStricterEnvironmentWins(t *testing.T) {
	for _, c := range []struct {
		set    Environment
		marked string
		want   Environment
	}{
		{Development, "", Development}, {Development, "test", Development}, {Test, "development", Test},
		{Development, "staging", Staging}, {Test, "production", Production}, {Staging, "production", Production},
		{Staging, "test", Staging}, {Production, "development", Production}, {Production, "staging", Production}, {Production, "", Production},
	} {
		if got, err := c.set.Stricter(c.marked); got != c.want || err != nil {
			t.Errorf("%s, marked %q: %s, %v", c.set, c.marked, got, err)
		}
	}
	for _, marked := range []string{"prod", "Production", "qa", " "} {
		if got, err := Production.Stricter(marked); err == nil {
			t.Errorf("%q: %s", marked, got)
		}
	}
}
