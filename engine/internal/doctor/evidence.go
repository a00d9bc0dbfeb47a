package doctor

import (
	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/wiring"
)

// Evidence is what was found out about a service. An error stands for what could not be found out.
type Evidence struct {
	Folder       string
	Project      config.Project
	ProjectError error
	Settings     config.Settings
	DotEnv       bool // there is a .env
	DotEnvError  error

	Repository      git.Repository
	RepositoryError error  // git knows no repository around the folder
	Prefix          string // the way from the top of the repository to the folder

	Makefile, Compose, Documents, Gitignore Wired

	Template Template
	Files    Files
	Programs Programs
	Database Database
}

// Wired is what it would take to join the template's files to some of the service's own.
type Wired struct {
	wiring.Plan
	Error error
}

// Template is where the files come from.
type Template struct {
	Answers copier.Answers
	Error   error
	// Problems are those that an update left behind.
	Problems []error
	// Tags are those of the template's repository.
	Tags      []string
	TagsError error
}

// Files is what the linters say about the migrations.
type Files struct {
	Migrations int
	// Valid counts the files, those of seeds too.
	Valid    int
	Problems []error
	Error    error
	// Squawk tells that the linter is there.
	Squawk bool
	// BaseKnown tells that git knows which migrations are new; LintError is what the linter has against those.
	BaseKnown bool
	New       int
	LintError error
}

// Programs are those that the service is worked on with.
type Programs struct {
	Engine  string
	Go      string
	GoError error
	// NeededGo is what the engine's go.mod asks for.
	NeededGo string
}

// Database is the one that the settings lead to.
type Database struct {
	// Given is the setting that asks for a database, without a value; it is not present where nobody asks for one.
	Given  config.Setting
	Target connection.Target
	// TargetError is why the settings lead to no database.
	TargetError error
	// Error is why the database could not be asked.
	Error error
	// Server is its version.
	Server    string
	Address   string
	Encrypted bool

	// HistoryError is why the version table could not be read.
	HistoryError error
	Marker       string
	Current      int64
	Pending      []string
	Mismatches   []error

	// InvalidIndexes are named with their tables.
	InvalidIndexes []string
	Role           Role
	Application    Role
}

// Role is what a role of the server may do.
type Role struct {
	Name   string
	Exists bool
	// Powers are the attributes beyond those of a role that migrates.
	Powers []string
	// Owns tells that the role may change a table, as its owner or a member of it.
	Owns bool
	// Creates tells that the role may create tables in the schema public.
	Creates bool
	// Writes are the engine's tables that the role may write to.
	Writes []string
}
