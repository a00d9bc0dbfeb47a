# The worker that keeps sorted sets of Redis in agreement with PostgreSQL. docs/migration-considerations.md explains it.

redis_sync := tools/migrate/bin/redis-sync
.PHONY: migrate-redis-sync migrate-redis-rebuild migrate-redis-compare migrate-redis-alerts-test

$(foreach name,KEY TABLE REDIS_URL REDIS_URL_FILE REDIS_SSL_ROOT_CERT REDIS_SYNC_LISTEN,\
	$(if $(filter command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

migrate-redis-sync: $(redis_sync) ## apply what changes to Redis, until it is interrupted
	@$(redis_sync) run

migrate-redis-rebuild: $(redis_sync) ## build the sorted sets of Redis anew, all or one: [KEY=] [TABLE=]
	@$(redis_sync) rebuild --key="$$KEY" --table="$$TABLE"

migrate-redis-compare: $(redis_sync) ## compare the sorted sets of Redis with the rows, all or one: [KEY=] [TABLE=]
	@$(redis_sync) compare --key="$$KEY" --table="$$TABLE"

migrate-redis-alerts-test: ## try the alerts on the worker for Redis, with promtool of Prometheus
	$(call migrate_part,prometheus,monitoring/*-redis-sync-alerts.yaml)
	@mkdir -p tools/migrate/bin
	@sed '1,/^spec:/d' monitoring/*-redis-sync-alerts.yaml >tools/migrate/bin/redis-sync-alerts.yaml
	@promtool test rules monitoring/tests/*-redis-sync-alerts.test.yaml

$(redis_sync): $(migrate_sources)
	@sh tools/migrate/build.sh $(@F)
