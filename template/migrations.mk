# Database migrations. `make migrate-help` lists the targets; docs/migration-guide.md explains them.
# Every decision is the engine's: tools/migrate. Its program migrate operates databases, migrate-dev helps to develop migrations.

# What an update left unfinished may stand in this file too, and make stops at the first mark that it reads.
ifneq ($(filter migrate-template-check,$(MAKECMDGOALS)),)
# make 4.4 hands to $(shell …) what was typed, and expands it for that.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(eval unexport $(name))))
$(if $(shell sh tools/migrate/template-check.sh 1>&2 || echo found),$(error an update of the template is not finished))
endif

migrate := tools/migrate/bin/migrate
migrate_dev := tools/migrate/bin/migrate-dev
squawk := tools/migrate/bin/squawk
redis_sync_targets := tools/migrate/redis-sync/targets.mk

# The sources of the engine's programs, once go.mod pins them: another checkout of it is asked each time.
migrate_sources := $(addprefix tools/migrate/,build.sh go.mod go.sum) \
	$(wildcard tools/migrate/engine/*/*/@v/*.zip tools/migrate/vendor/modules.txt) $(if $(value MIGRATE_ENGINE),migrate-engine)

# What belongs to a part that was not chosen says so.
migrate_part = $(if $(wildcard $(2)),,@printf 'migrate: the service has not chosen the part $(1): choose it with \
	copier update --vcs-ref=:current: --defaults --ask=parts\n' >&2; exit 1)
# The service of compose that migrates: in a monorepo its name begins with that of the service.
migrate_composed = $(shell sed -n 's/^  \([^ ]*migrate\):[[:space:]]*$$/\1/p' compose.migrations.yaml 2>/dev/null)

.PHONY: migrate-help migrate-up migrate-down migrate-redo migrate-to migrate-to-version migrate-status migrate-plan \
	migrate-adopt migrate-baseline migrate-import migrate-ping migrate-create migrate-recipes migrate-validate migrate-lint migrate-check migrate-seed migrate-backfill \
	migrate-maintain migrate-indexes migrate-reset migrate-testdb migrate-schema migrate-job migrate-cronjobs migrate-build migrate-template-check \
	migrate-doctor migrate-wire migrate-alerts-test migrate-docker-up migrate-docker-down migrate-docker-status migrate-engine

migrate_typed_command := $(filter command,$(origin COMMAND))
migrate_typed_environment := $(filter command,$(origin ENVIRONMENT))
# What is typed after `make` is text, not make syntax: DB_PASSWORD='pa$$word' arrives as it is, and nothing in NAME runs.
# In two steps, because make 3.81 (macOS) takes `override export NAME := …` for a variable named "export NAME".
$(foreach name,RECIPE STEP NAME BLOCK BASE FROM SEED CHECK VERSION BUILD_NUMBER JOB COMMAND CONFIRM ENVIRONMENT \
	DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_PASSWORD_FILE DB_SSL_MODE DB_SSL_ROOT_CERT DB_URL DB_URL_FILE \
	MIGRATION_AUTO_RUN MIGRATION_TIMEOUT MIGRATION_CONNECT_TIMEOUT MIGRATION_LOCK_TIMEOUT MIGRATION_RETRY_TIMEOUT \
	MIGRATION_METRICS_FILE MIGRATION_PUSHGATEWAY_URL LOG_FORMAT,\
	$(if $(filter command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))
# What else is typed beside RECIPE is for the recipe, which alone knows its variables.
migrate_recipe_variables := $(foreach name,$(if $(value RECIPE),$(filter-out SHELL GO,$(.VARIABLES))),\
	$(if $(filter command,$(origin $(name))),$(name)$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

migrate-help: ## list these targets
	@sed -n 's/^\(migrate-[a-z-]*\):.*## /\1	/p' migrations.mk $(wildcard $(redis_sync_targets)) | tr -d '\r' | expand -t 25

migrate-up: $(migrate) ## apply every pending migration
	@$(migrate) up

migrate-down: $(migrate) ## roll back the last migration
	@$(migrate) down

migrate-redo: $(migrate) ## roll back the last migration and apply it again
	@$(migrate) redo

migrate-to: $(migrate) ## migrate up or down to VERSION=
	@$(migrate) to -- "$$VERSION"

migrate-to-version: migrate-to ## the same as migrate-to

migrate-status: $(migrate) ## show which migrations are applied
	@$(migrate) status

migrate-plan: $(migrate) ## print the SQL that migrate-up would run, and its locks
	@$(migrate) plan

migrate-adopt: $(migrate_dev) ## show on one page what will be in the way of the template, and change nothing
	@$(migrate_dev) adopt

migrate-baseline: $(migrate) ## record the files up to VERSION= as applied without running them: CONFIRM=<database>
	@$(migrate) baseline -- "$$VERSION"

migrate-import: $(migrate_dev) ## write the files of golang-migrate or dbmate as goose's: [FROM=] [CONFIRM=yes]
	@$(migrate_dev) import -- "$$FROM"

migrate-ping: $(migrate) ## test the connection
	@$(migrate) ping

migrate-create: $(migrate_dev) ## write a new migration: NAME= [BLOCK=], or RECIPE= [STEP=] with its variables
	@$(migrate_dev) create --block="$$BLOCK" --recipe="$$RECIPE" --step="$$STEP" --typed="$$RECIPE_VARIABLES" -- "$$NAME"
migrate-create: export RECIPE_VARIABLES = $(migrate_recipe_variables)

migrate-recipes: $(migrate_dev) ## list the recipes that migrate-create can write
	@$(migrate_dev) recipes

migrate-validate: $(migrate_dev) ## look for mistakes in the migration files: [BASE=]
	@sh tools/migrate/squawk.sh 2>/dev/null || : # without it the engine says what it did not check
	@$(migrate_dev) validate --base="$$BASE"

migrate-lint: $(migrate_dev) $(squawk) ## look for what is dangerous in new migrations: [BASE=]
	@$(migrate_dev) lint --base="$$BASE"

migrate-check: $(migrate_dev) ## try every migration and its rollback on a throw-away database (development and test): [BASE=]
	@$(migrate_dev) check --base="$$BASE"

migrate-seed: $(migrate) ## load test data (development and test)
	@$(migrate) seed

migrate-backfill: $(migrate) ## move data in batches that can be resumed: JOB=, or list the jobs
	@$(migrate) backfill -- "$$JOB"

migrate-maintain: $(migrate) ## do what tables need again and again: JOB=, or list the jobs
	@$(migrate) maintain -- "$$JOB"

migrate-indexes: $(migrate) ## list the indexes that are invalid, superfluous or unused
	@$(migrate) indexes

migrate-reset: $(migrate_dev) ## drop, create and migrate the database (development and test): CONFIRM=<database>
	@$(migrate_dev) reset

migrate-testdb: $(migrate_dev) ## print the address of a fresh, migrated database for a test (development and test): [SEED=true]
	@$(migrate_dev) testdb $(if $(value SEED),--seed="$$SEED")

migrate-schema: $(migrate_dev) ## write what the migrations make into schema.sql, or compare it (development and test): [CHECK=true]
	@$(migrate_dev) schema $(if $(value CHECK),--check="$$CHECK")

# A COMMAND or ENVIRONMENT of the surroundings is about something else.
migrate-job: $(migrate) ## print the Kubernetes Job of a release, of a backfill or of another command: VERSION= BUILD_NUMBER= [JOB=] [COMMAND=] [ENVIRONMENT=]
	@$(migrate) job --version="$$VERSION" --build-number="$$BUILD_NUMBER" --backfill="$$JOB" \
		$(if $(migrate_typed_command),--command="$$COMMAND") $(if $(migrate_typed_environment),--environment="$$ENVIRONMENT")

migrate-cronjobs: $(migrate) ## print a Kubernetes CronJob for every maintenance definition: VERSION=
	@$(migrate) cronjobs --version="$$VERSION"

migrate-build: $(migrate) $(migrate_dev) ## build the engine's programs

migrate-template-check: $(migrate_dev) ## look for what an update of the template left unfinished
	@$(migrate_dev) template-check

migrate-doctor: $(migrate_dev) ## hold the service against its checklist, and show what is not right: [ALL=1] [BASE=]
	@$(migrate_dev) doctor --base="$$BASE" $(if $(filter 1 yes true,$(value ALL)),--all)

migrate-wire: $(migrate_dev) ## add what is missing to the service's own Makefile, compose file and documents: [CONFIRM=yes]
	@$(migrate_dev) wire

# promtool reads rules, not the object around them: what stands below its last key, spec.
migrate-alerts-test: ## try the alerts on the lives of a Job, with promtool of Prometheus
	$(call migrate_part,prometheus,monitoring/*-migration-alerts.yaml)
	@mkdir -p tools/migrate/bin
	@sed '1,/^spec:/d' monitoring/*-migration-alerts.yaml >tools/migrate/bin/alerts.yaml
	@promtool test rules monitoring/tests/*-migration-*.test.yaml

migrate-docker-up: ## migrate-up inside compose
	$(call migrate_part,compose,compose.migrations.yaml)
	@docker compose run --build --rm $(migrate_composed) up

migrate-docker-down: ## migrate-down inside compose
	$(call migrate_part,compose,compose.migrations.yaml)
	@docker compose run --build --rm $(migrate_composed) down

migrate-docker-status: ## migrate-status inside compose
	$(call migrate_part,compose,compose.migrations.yaml)
	@docker compose run --build --rm $(migrate_composed) status

$(migrate) $(migrate_dev): $(migrate_sources)
	@sh tools/migrate/build.sh $(@F)

# An empty recipe: nothing makes a source, so make need not look through its built-in rules for each of them.
$(migrate_sources): ;

$(squawk): tools/migrate/squawk.sh
	@sh tools/migrate/squawk.sh

# The targets of the worker for Redis, where the service has chosen it.
-include $(redis_sync_targets)
