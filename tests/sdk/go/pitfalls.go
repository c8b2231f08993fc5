package main

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// LoopWorkflow polls without end, in runs of bounded history.
func LoopWorkflow(ctx workflow.Context, runs int) (string, error) {
	ctx = withOptions(ctx)
	for iteration := 0; ; iteration++ {
		if err := workflow.ExecuteActivity(ctx, a.Poll).Get(ctx, nil); err != nil {
			return "", err
		}
		if iteration >= 2 {
			if runs == 0 {
				return workflow.GetInfo(ctx).ContinuedExecutionRunID, nil
			}
			return "", workflow.NewContinueAsNewError(ctx, LoopWorkflow, runs-1)
		}
	}
}

// CancelledWorkflow looks at ctx.Err() in its loop, and cleans up in a context of its own.
func CancelledWorkflow(ctx workflow.Context) (string, error) {
	for {
		if ctx.Err() != nil {
			cleaning, _ := workflow.NewDisconnectedContext(withOptions(ctx))
			var result string
			if err := workflow.ExecuteActivity(cleaning, a.SearchActivity, "cleaned").Get(cleaning, &result); err != nil {
				return "", err
			}
			return "", ctx.Err()
		}
		_ = workflow.Sleep(ctx, 50*time.Millisecond)
	}
}

// DownloadWorkflow hands on the path of what is large.
func DownloadWorkflow(ctx workflow.Context) (string, error) {
	ctx = withOptions(ctx)
	var path string
	err := workflow.ExecuteActivity(ctx, a.DownloadLargeFile).Get(ctx, &path)
	return path, err
}
