package manifest

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

// cronPattern finds the file of the CronJobs in a service's folder.
const cronPattern = "k8s/migrations/*-migration-maintenance.yaml"

// Infix stands in the name of every CronJob between the service and its maintenance job: alerts know them by it.
const infix = "-cron-"

const (
	// Kubernetes appends eleven characters to the name of a CronJob to name its Jobs.
	longestCronJob = 52
	hashDigits     = 4
)

// CronJob is the file of all CronJobs before a job and a release are known.
type CronJob struct{ Job }

// Scheduled is a maintenance job and how often it runs.
type Scheduled struct {
	Service, Job string
	// Daily is once a day instead of once an hour.
	Daily bool
}

// ReadCronJob finds the file of the CronJobs in a service's folder.
func ReadCronJob(folder string) (CronJob, error) {
	path, text, err := read(folder, cronPattern, "file of CronJobs")
	if path == "" && err == nil {
		err = copier.RequirePart(folder, copier.Kubernetes)
	}
	if path == "" && err == nil {
		err = failure.Refused("no %s in this folder: choose session_cleanup or audit_retention among the considerations with "+
			"`copier update`, and run from the service's own folder", cronPattern)
	}
	return CronJob{Job{Path: path, text: text}}, err
}

// Render returns the CronJob of a maintenance job in a release, ready for `kubectl apply`.
func (c CronJob) Render(release Release, scheduled Scheduled) (string, error) {
	known := map[string]string{
		"${VERSION}": release.Version, "${JOB}": scheduled.Job,
		"${NAME}": scheduled.name(), "${SCHEDULE}": scheduled.cron(),
	}
	used, err := c.check(known)
	if err != nil {
		return "", err
	}
	for name := range known {
		if !used[name] {
			return "", failure.Refused(`%s holds no "%s", so that the CronJobs could not differ: bring the line back`, c.Path, name)
		}
	}
	return c.fill(release, known)
}

// name is that of the CronJob: as readable as the room for it allows, and never that of another job.
func (s Scheduled) name() string {
	name := s.Service + infix + strings.ReplaceAll(s.Job, "_", "-")
	if len(name) <= longestCronJob {
		return name
	}
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(s.Job)))[:hashDigits]
	room := max(longestCronJob-len(s.Service+infix)-len("-"+hash), 0)
	part := strings.Trim(strings.ReplaceAll(s.Job, "_", "-")[:room], "-")
	return s.Service + infix + strings.TrimPrefix(part+"-"+hash, "-")
}

// cron is a time that differs from job to job, so that not all of them begin at once.
func (s Scheduled) cron() string {
	minute := int(sha256.Sum256([]byte(s.Service + "/" + s.Job))[0]) % 60
	if s.Daily {
		return fmt.Sprintf("%d 3 * * *", minute)
	}
	return fmt.Sprintf("%d * * * *", minute)
}
