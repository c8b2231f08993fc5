package main

import (
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// ParentWorkflow starts a child for each topic and waits for all of them.
func ParentWorkflow(ctx workflow.Context, topics []string) ([]string, error) {
	var results []string
	var futures []workflow.Future
	for _, topic := range topics {
		childOpts := workflow.ChildWorkflowOptions{WorkflowID: fmt.Sprintf("research-%s", topic)}
		childCtx := workflow.WithChildOptions(ctx, childOpts)
		futures = append(futures, workflow.ExecuteChildWorkflow(childCtx, ResearchChildWorkflow, topic))
	}
	for _, future := range futures {
		var result string
		if err := future.Get(ctx, &result); err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// ResearchChildWorkflow fails for a topic that it does not like.
func ResearchChildWorkflow(ctx workflow.Context, topic string) (string, error) {
	ctx = withOptions(ctx)
	var result string
	err := workflow.ExecuteActivity(ctx, a.SearchOrHang, topic).Get(ctx, &result)
	return result, err
}
