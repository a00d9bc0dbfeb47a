// The schema of a PrometheusRule lies in this module's files; nothing of it is built.
module avion-migration-template/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.93.0
