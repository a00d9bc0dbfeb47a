package rules

// Rule is one objection: why, and what to do instead.
type Rule struct {
	Name, Level string
	// Why is the reason in one sentence.
	Why string
	// Help is the safe way; a recipe or a heading of the guide says more.
	Help string
}

// The rules of the engine: what squawk does not object to, or does not see. One that is not own has squawk's name, and holds where
// squawk does not look: inside DO blocks, functions and triggers.
var (
	OutsideTransaction = own("outside-transaction", "error", "PostgreSQL refuses this statement inside a transaction.",
		"Give it a file of its own that begins with '-- +goose NO TRANSACTION'.")
	Refused = own("refused-by-postgresql", "error", "PostgreSQL refuses this statement.", "Write it in the form that PostgreSQL takes.")

	TableRewrite = own("ban-table-rewrite", "", "Nobody can read or write the table while it is written anew.",
		"Change it by expanding and contracting (see the guide); run VACUUM without FULL, or pg_repack outside of the migrations.")
	ConcurrentRefresh = own("require-concurrent-refresh", "", "Nobody can read the view until it is filled.",
		"Give it a unique index, and use REFRESH MATERIALIZED VIEW CONCURRENTLY.")
	RequireWhere = own("require-where", "", "Every row of the table stays locked until all of them are changed.",
		"Work in batches: make it a job for make migrate-backfill.")
	OneTable = own("one-table-per-transaction", "", "One table stays locked until the next one can be locked as well.",
		"Alter each table in a file of its own.")
	DataApart = own("data-apart-from-schema", "", "The table stays locked until all rows are done.",
		"Change rows in a file of their own.")
	ValueApart = own("enum-value-apart-from-use", "error", "PostgreSQL refuses a new value in the transaction that adds it to its type.",
		"Add it in a file of its own.")
	Truncate = own("ban-truncate", "", "All rows are gone at once, and nobody can read or write the table until the transaction ends.",
		"Delete in batches: make it a job for make migrate-backfill.")
	PartitionLocked = own("partition-under-lock", "", "Nobody can read or write the partitioned table, or the rows of the new partition are read through, while others wait.",
		"Create the table apart, give it a CHECK of the partition's bounds NOT VALID, validate it, and then ATTACH PARTITION: that takes a weaker lock and reads no row.")
	KeepRights = own("keep-rights", "", "The application that runs now may lose a right that it uses.",
		"Take rights away one release after the application has stopped to need them.")
	KeepLimits = own("keep-limits", "", "The limits of the session keep a migration from standing in everybody's way, and this lifts them.",
		"Write '-- migrate: lock_timeout=10s statement_timeout=1h' at the top of the file, within what is allowed.")
	KeepConstraints = own("keep-constraints", "", "Foreign keys and triggers are not checked any more, so that wrong rows come in unseen.",
		"Leave them on; add what cannot be checked now NOT VALID and validate it later.")
	WideIndex = own("wide-index", "", "An index of more than three columns is large, slow to write, and hardly ever better than one of its first columns.",
		"Index the columns that select most.")
	LookupTable = own("prefer-lookup-table", "", "A value of an enum can never be removed, and its order never changed.",
		"Use text with a CHECK, or a lookup table with a foreign key.")
	ReplicaIdentity = own("keep-replica-identity", "", "Logical replication refuses every UPDATE and DELETE of a table that has no replica identity.",
		"Use the primary key, or a unique index: REPLICA IDENTITY DEFAULT or USING INDEX.")
	DropObject = own("ban-drop-object", "", "Code that runs now may still use it.",
		"Drop it one release after the last code that uses it is gone.")
	RenameObject = Rule{"renaming-object", "", "Code that runs now knows the old name.",
		"Create the new one beside it, move the code, and drop the old one a release later."}
	ExclusionLocked = own("ban-exclusion-constraint", "", "Nobody can read or write the table while the index of the constraint is built, and there is no way to build it CONCURRENTLY.",
		"Create a new table with the constraint, and move the rows in batches.")
	MoneyField  = own("ban-money-field", "", "What a value of money means depends on lc_monetary.", "Use numeric.")
	PreferJSONB = own("prefer-jsonb", "", "Values of json can be neither compared nor indexed.", "Use jsonb.")

	IndexConcurrently = Rule{"require-concurrent-index-creation", "", "Nobody can write to the table while the index is built.",
		"Use CREATE INDEX CONCURRENTLY in a file of its own with NO TRANSACTION: make migrate-create RECIPE=index."}
	MissingNotValid = Rule{"constraint-missing-not-valid", "", "Nobody can read or write the table while all of its rows are checked.",
		"Add the constraint NOT VALID, and validate it in a file of its own."}
	ForeignKey = Rule{"adding-foreign-key-constraint", "", "Nobody can write to either table while all rows are looked up.",
		"Add the foreign key NOT VALID, and validate it in a file of its own."}
	NotNull = Rule{"adding-not-nullable-field", "", "Nobody can read or write the table while all of its rows are checked for NULL.",
		"Add CHECK (column IS NOT NULL) NOT VALID, validate it in a file of its own, then SET NOT NULL."}
	ColumnType = Rule{"changing-column-type", "", "The table is written anew, and code that runs now may not know the new type.",
		"Add a new column, write to both, move the rows in batches, then drop the old one."}
	DropTable    = Rule{"ban-drop-table", "", "Code that runs now may still use the table.", "Drop it one release after the last code that uses it is gone."}
	DropColumn   = Rule{"ban-drop-column", "", "Code that runs now may still use the column.", "Drop it one release after the last code that uses it is gone."}
	RenameColumn = Rule{"renaming-column", "", "Code that runs now knows the old name.", "Add a new column, write to both, and drop the old one a release later."}
	RenameTable  = Rule{"renaming-table", "", "Code that runs now knows the old name.", "Create a view of the old name, or move the code first."}
	Unique       = Rule{"disallowed-unique-constraint", "", "Nobody can read or write the table while the index is built.",
		"Build a unique index CONCURRENTLY, and add the constraint USING INDEX."}
)

// known are the names of the rules that squawk does not have.
var known = map[string]bool{}

func own(name, level, why, help string) Rule {
	known[name] = true
	return Rule{name, level, why, help}
}

// Known tells that a rule is the engine's own.
func Known(rule string) bool { return known[rule] }

// AboutLocks are the rules, squawk's among them, that say of a statement what a measurement would say again.
var AboutLocks = []string{
	"adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field", "adding-serial-primary-key-field",
	"ban-alter-domain-with-add-constraint", "ban-exclusion-constraint", "ban-table-rewrite", "ban-truncate", "changing-column-type", "constraint-missing-not-valid",
	"disallowed-unique-constraint", "partition-under-lock", "require-concurrent-index-creation", "require-concurrent-refresh", "require-concurrent-reindex",
}

// SameAs are the rules of squawk that say what a rule of the engine says: who has heard or excused one needs not hear the other.
func SameAs(rule string) []string {
	switch rule {
	case DropObject.Name:
		return []string{"ban-drop-view", "ban-drop-function", "ban-drop-type", "ban-drop-schema", "ban-drop-sequence", "ban-drop-domain", "ban-drop-table"}
	case KeepRights.Name:
		return []string{"ban-revoke", "ban-alter-row-level-security"}
	case KeepConstraints.Name:
		return []string{"ban-disable-trigger"}
	case ReplicaIdentity.Name:
		return []string{"ban-replica-identity"}
	case Truncate.Name:
		return []string{"ban-truncate-cascade"}
	case RenameObject.Name:
		return []string{"ban-set-schema", "renaming-table"}
	}
	return nil
}
