package main

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// SignalHandler is the chapter's: pause, resume and cancel by signal, the state by query.
type SignalHandler struct {
	paused    bool
	cancelled bool
}

// Setup registers the handler, for runs that know of it.
func (h *SignalHandler) Setup(ctx workflow.Context) error {
	version := workflow.GetVersion(ctx, "pause_resume_v1", workflow.DefaultVersion, 1)
	if version < 1 {
		return nil
	}
	pauseSig := workflow.GetSignalChannel(ctx, "pause")
	resumeSig := workflow.GetSignalChannel(ctx, "resume")
	cancelSig := workflow.GetSignalChannel(ctx, "cancel")
	err := workflow.SetQueryHandler(ctx, "get_status", func() (string, error) {
		if h.paused {
			return "paused", nil
		}
		return "running", nil
	})
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			selector := workflow.NewSelector(ctx)
			selector.AddReceive(pauseSig, func(ch workflow.ReceiveChannel, more bool) {
				ch.Receive(ctx, nil)
				h.paused = true
			})
			selector.AddReceive(resumeSig, func(ch workflow.ReceiveChannel, more bool) {
				ch.Receive(ctx, nil)
				h.paused = false
			})
			selector.AddReceive(cancelSig, func(ch workflow.ReceiveChannel, more bool) {
				ch.Receive(ctx, nil)
				h.cancelled = true
			})
			selector.Select(ctx)
		}
	})
	return nil
}

// WaitIfPaused returns when the workflow may go on.
func (h *SignalHandler) WaitIfPaused(ctx workflow.Context) error {
	for h.paused {
		if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// ControlledWorkflow steps until it is cancelled by signal; it stands still while it is paused.
func ControlledWorkflow(ctx workflow.Context) (int, error) {
	ctx = withOptions(ctx)
	h := &SignalHandler{}
	if err := h.Setup(ctx); err != nil {
		return 0, err
	}
	steps := 0
	for !h.cancelled {
		if err := h.WaitIfPaused(ctx); err != nil {
			return steps, err
		}
		if err := workflow.ExecuteActivity(ctx, a.Poll).Get(ctx, nil); err != nil {
			return steps, err
		}
		steps++
		if err := workflow.Sleep(ctx, 50*time.Millisecond); err != nil {
			return steps, err
		}
	}
	return steps, nil
}
