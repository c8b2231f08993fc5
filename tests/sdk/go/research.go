package main

import (
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

var a *Activities

func decompose(query string) []string { return strings.Fields(query) }

func synthesize(results []string) string { return strings.Join(results, "; ") }

func withOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
}

// DeepResearchWorkflow is the chapter's first: each result is kept.
func DeepResearchWorkflow(ctx workflow.Context, query string) (string, error) {
	ctx = withOptions(ctx)
	topics := decompose(query)
	var results []string
	for _, topic := range topics {
		var result string
		if err := workflow.ExecuteActivity(ctx, a.SearchActivity, topic).Get(ctx, &result); err != nil {
			return "", err
		}
		results = append(results, result)
	}
	return synthesize(results), nil
}

// Options reports what came of the chapter's activity options.
type Options struct {
	Attempts    int32
	RefusedType string
	WentOnFrom  int
}

// OptionsWorkflow runs an activity with each of the chapter's three sets of options.
func OptionsWorkflow(ctx workflow.Context) (Options, error) {
	var got Options
	activityOptions := workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:        10 * time.Millisecond,
			BackoffCoefficient:     2.0,
			MaximumInterval:        30 * time.Second,
			MaximumAttempts:        3,
			NonRetryableErrorTypes: []string{"InvalidInputError", "PermissionDeniedError"},
		},
	}
	agentOpts := workflow.ActivityOptions{
		StartToCloseTimeout: 120 * time.Second,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: 3},
	}
	quickOpts := workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: 2},
	}
	general := workflow.WithActivityOptions(ctx, activityOptions)
	if err := workflow.ExecuteActivity(general, a.FailsTwice).Get(ctx, &got.Attempts); err != nil {
		return got, err
	}
	var refused *temporal.ApplicationError
	if err := workflow.ExecuteActivity(general, a.Refuses).Get(ctx, nil); temporal.IsApplicationError(err) {
		_ = asApplicationError(err, &refused)
		got.RefusedType = refused.Type()
	}
	if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, agentOpts), a.Agent).Get(ctx, &got.WentOnFrom); err != nil {
		return got, err
	}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, quickOpts), a.FailsTwice).Get(ctx, nil)
	if err == nil {
		return got, temporal.NewApplicationError("two attempts should not be enough", "Wrong")
	}
	return got, nil
}
