// Reads a dashboard with Grafana's own types.
module avion-migration-template/dashboard

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
