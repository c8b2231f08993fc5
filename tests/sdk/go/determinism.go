package main

import (
	"errors"
	"math/rand"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

func asApplicationError(err error, target **temporal.ApplicationError) bool {
	return errors.As(err, target)
}

// Deterministic is what the workflow saw, which each replay sees again.
type Deterministic struct {
	Now    time.Time
	Number int
	ID     string
	Mode   string
	Page   string
}

// DeterministicWorkflow has the right column of the chapter's table: what to call instead.
func DeterministicWorkflow(ctx workflow.Context, mode string) (Deterministic, error) {
	ctx = withOptions(ctx)
	got := Deterministic{Now: workflow.Now(ctx), Mode: mode}
	number := workflow.SideEffect(ctx, func(ctx workflow.Context) interface{} { return rand.Int() })
	if err := number.Get(&got.Number); err != nil {
		return got, err
	}
	id := workflow.SideEffect(ctx, func(ctx workflow.Context) interface{} { return uuid.NewString() })
	if err := id.Get(&got.ID); err != nil {
		return got, err
	}
	first := got
	if err := workflow.ExecuteActivity(ctx, a.FetchActivity, "here").Get(ctx, &got.Page); err != nil {
		return got, err
	}
	// A signal makes another workflow task, on a worker that had to replay.
	workflow.GetSignalChannel(ctx, "go on").Receive(ctx, nil)
	if err := workflow.SetQueryHandler(ctx, "first", func() (Deterministic, error) { return first, nil }); err != nil {
		return got, err
	}
	return got, nil
}
