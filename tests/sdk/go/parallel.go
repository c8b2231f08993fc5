package main

import (
	"errors"
	"sort"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// persistAgentExecution schedules an activity and does not wait for it.
func persistAgentExecution(ctx workflow.Context, workflowID, agentID, input, output string, tokens int) {
	persistCtx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	workflow.ExecuteActivity(persistCtx, a.PersistAgentExecutionStandalone, PersistAgentExecutionInput{
		WorkflowID: workflowID, AgentID: agentID, Input: input, Output: output, TokensUsed: tokens,
	})
}

// FireAndForgetWorkflow goes on at once.
func FireAndForgetWorkflow(ctx workflow.Context) (string, error) {
	ctx = withOptions(ctx)
	persistAgentExecution(ctx, workflow.GetInfo(ctx).WorkflowExecution.ID, "agent", "question", "answer", 42)
	var result string
	err := workflow.ExecuteActivity(ctx, a.SearchActivity, "more").Get(ctx, &result)
	return result, err
}

// WaitForAllWorkflow is pattern 1.
func WaitForAllWorkflow(ctx workflow.Context, subtasks []string) ([]string, error) {
	ctx = withOptions(ctx)
	results := make([]string, len(subtasks))
	futures := make([]workflow.Future, len(subtasks))
	for i, subtask := range subtasks {
		futures[i] = workflow.ExecuteActivity(ctx, a.SearchActivity, subtask)
	}
	for i, f := range futures {
		if err := f.Get(ctx, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// FirstComeWorkflow is pattern 2: whichever is done first is handled first.
func FirstComeWorkflow(ctx workflow.Context, topics []string) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	futures := make(map[string]workflow.Future)
	for _, topic := range topics {
		futures[topic] = workflow.ExecuteActivity(ctx, a.SearchActivity, topic)
	}
	for len(futures) > 0 {
		selector := workflow.NewSelector(ctx)
		for _, topic := range sortedKeys(futures) { // the order of a Go map is not deterministic
			t, f := topic, futures[topic]
			selector.AddFuture(f, func(f workflow.Future) {
				var result string
				_ = f.Get(ctx, &result)
				done = append(done, t+": "+result)
				delete(futures, t)
			})
		}
		selector.Select(ctx)
	}
	sort.Strings(done)
	return done, nil
}

func sortedKeys(futures map[string]workflow.Future) []string {
	keys := make([]string, 0, len(futures))
	for key := range futures {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// TimeoutWorkflow is pattern 3: a timer cancels what takes too long.
func TimeoutWorkflow(ctx workflow.Context, limit time.Duration) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
	})
	working, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var result string
	var err error
	task := workflow.ExecuteActivity(working, a.LongTask, "input")
	selector := workflow.NewSelector(ctx)
	selector.AddFuture(task, func(f workflow.Future) { err = f.Get(ctx, &result) })
	selector.AddFuture(workflow.NewTimer(ctx, limit), func(f workflow.Future) {
		cancel()
		err = errors.New("timeout")
	})
	selector.Select(ctx)
	if err != nil && temporal.IsCanceledError(task.Get(ctx, nil)) {
		return "timeout, and the task was cancelled", nil
	}
	return result, err
}

// ThreeOfFiveWorkflow is the second exercise: any three, within a time, whatever the others do.
func ThreeOfFiveWorkflow(ctx workflow.Context, topics []string) ([]string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    10 * time.Second,
	})
	searching, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var found []string
	late, open := false, len(topics)
	selector := workflow.NewSelector(ctx)
	for _, topic := range topics {
		selector.AddFuture(workflow.ExecuteActivity(searching, a.SearchOrHang, topic), func(f workflow.Future) {
			open--
			var result string
			if f.Get(ctx, &result) == nil {
				found = append(found, result)
			}
		})
	}
	selector.AddFuture(workflow.NewTimer(searching, 2*time.Minute), func(f workflow.Future) { late = true })
	for len(found) < 3 && open > 0 && !late {
		selector.Select(ctx)
	}
	sort.Strings(found)
	return found, nil
}

// BudgetedWorkflow is the third exercise: tokens are checked before a call and subtracted after it.
func BudgetedWorkflow(ctx workflow.Context, budget int, calls []int) (int, error) {
	ctx = withOptions(ctx)
	for _, wanted := range calls {
		if wanted > budget {
			return 0, temporal.NewNonRetryableApplicationError("the budget is spent", "BudgetExceeded", nil, budget)
		}
		var used int
		if err := workflow.ExecuteActivity(ctx, a.SpendTokens, wanted).Get(ctx, &used); err != nil {
			return 0, err
		}
		budget -= used
	}
	return budget, nil
}
