package main

import (
	"go.temporal.io/sdk/workflow"
)

func step(ctx workflow.Context, done *[]string, activity any, args ...any) error {
	var result string
	err := workflow.ExecuteActivity(ctx, activity, args...).Get(ctx, &result)
	*done = append(*done, result)
	return err
}

func waitForGo(ctx workflow.Context) { workflow.GetSignalChannel(ctx, "go on").Receive(ctx, nil) }

// MyWorkflowV1 is the code before the change.
func MyWorkflowV1(ctx workflow.Context) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	if err := step(ctx, &done, a.ActivityA); err != nil {
		return nil, err
	}
	waitForGo(ctx)
	err := step(ctx, &done, a.ActivityB)
	return done, err
}

// MyWorkflowV2 is the chapter's: an activity between, for new runs only.
func MyWorkflowV2(ctx workflow.Context) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	if err := step(ctx, &done, a.ActivityA); err != nil {
		return nil, err
	}
	if workflow.GetVersion(ctx, "add_activity_new", workflow.DefaultVersion, 1) >= 1 {
		if err := step(ctx, &done, a.ActivityNew); err != nil {
			return nil, err
		}
	}
	waitForGo(ctx)
	err := step(ctx, &done, a.ActivityB)
	return done, err
}

// MigratedWorkflowV1 is the workflow of the first exercise.
func MigratedWorkflowV1(ctx workflow.Context) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	if err := step(ctx, &done, a.StepA); err != nil {
		return nil, err
	}
	waitForGo(ctx)
	err := step(ctx, &done, a.StepB)
	return done, err
}

// MigratedWorkflowV2 has a step between, and another last step with another parameter.
func MigratedWorkflowV2(ctx workflow.Context) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	if err := step(ctx, &done, a.StepA); err != nil {
		return nil, err
	}
	if workflow.GetVersion(ctx, "step_c_v1", workflow.DefaultVersion, 1) >= 1 {
		if err := step(ctx, &done, a.StepC); err != nil {
			return nil, err
		}
	}
	waitForGo(ctx)
	var err error
	if workflow.GetVersion(ctx, "step_b2_v1", workflow.DefaultVersion, 1) >= 1 {
		err = step(ctx, &done, a.StepB2, "carefully")
	} else {
		err = step(ctx, &done, a.StepB)
	}
	return done, err
}

// MemoryInput is what an agent is asked.
type MemoryInput struct {
	SessionID string
	History   []string
}

// MemoryWorkflow has the chapter's features that came one after another.
func MemoryWorkflow(ctx workflow.Context, input MemoryInput) ([]string, error) {
	ctx = withOptions(ctx)
	var done []string
	hierarchicalVersion := workflow.GetVersion(ctx, "memory_retrieval_v1", workflow.DefaultVersion, 1)
	if hierarchicalVersion >= 1 && input.SessionID != "" {
		if err := step(ctx, &done, a.RetrieveHierarchicalMemoryActivity, input.SessionID); err != nil {
			return nil, err
		}
	} else if workflow.GetVersion(ctx, "session_memory_v1", workflow.DefaultVersion, 1) >= 1 {
		if err := step(ctx, &done, a.GetSessionMessagesActivity, input.SessionID); err != nil {
			return nil, err
		}
	}
	if workflow.GetVersion(ctx, "context_compress_v1", workflow.DefaultVersion, 1) >= 1 &&
		input.SessionID != "" && len(input.History) > 20 {
		if err := step(ctx, &done, a.CompressContextActivity, len(input.History)); err != nil {
			return nil, err
		}
	}
	return done, nil
}
