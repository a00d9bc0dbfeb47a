// Command pod-security holds the pods of Jobs to a level of the Pod Security Standards, with the evaluator that
// kube-apiserver itself asks. It reads Jobs as JSON, one after the other, from standard input, and writes one line for
// each rule that a pod breaks.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	batch "k8s.io/api/batch/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	broken, err := evaluate(os.Stdin, api.Level(os.Args[1]))
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "pod-security:", err)
		os.Exit(2)
	case broken > 0:
		os.Exit(1)
	}
}

func evaluate(jobs io.Reader, level api.Level) (broken int, err error) {
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return 0, err
	}
	for decoder := json.NewDecoder(jobs); ; {
		var job batch.Job
		if err := decoder.Decode(&job); errors.Is(err, io.EOF) {
			return broken, nil
		} else if err != nil {
			return broken, err
		}
		pod := job.Spec.Template
		for _, result := range checks.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				broken++
				fmt.Printf("%s: %s: %s\n", job.Name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
}
