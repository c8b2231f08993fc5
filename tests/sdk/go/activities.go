package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Activities are registered by the names of its methods.
type Activities struct{}

func (*Activities) SearchActivity(ctx context.Context, topic string) (string, error) {
	return "found " + topic, nil
}

func (*Activities) FetchActivity(ctx context.Context, url string) (string, error) {
	return "page of " + url, nil
}

func (*Activities) ActivityA(ctx context.Context) (string, error)   { return "A", nil }
func (*Activities) ActivityB(ctx context.Context) (string, error)   { return "B", nil }
func (*Activities) ActivityNew(ctx context.Context) (string, error) { return "New", nil }
func (*Activities) StepA(ctx context.Context) (string, error)       { return "A", nil }
func (*Activities) StepB(ctx context.Context) (string, error)       { return "B", nil }
func (*Activities) StepC(ctx context.Context) (string, error)       { return "C", nil }
func (*Activities) StepB2(ctx context.Context, how string) (string, error) {
	return "B2 " + how, nil
}

// FailsTwice succeeds with its third attempt.
func (*Activities) FailsTwice(ctx context.Context) (int32, error) {
	attempt := activity.GetInfo(ctx).Attempt
	if attempt < 3 {
		return 0, errors.New("not yet")
	}
	return attempt, nil
}

// Refuses fails with an error type that the chapter does not retry.
func (*Activities) Refuses(ctx context.Context) error {
	return temporal.NewApplicationError("no such query", "InvalidInputError")
}

// Agent heartbeats and says from where its second attempt went on.
func (*Activities) Agent(ctx context.Context) (int, error) {
	if activity.HasHeartbeatDetails(ctx) {
		var done int
		if err := activity.GetHeartbeatDetails(ctx, &done); err != nil {
			return 0, err
		}
		return done, nil
	}
	activity.RecordHeartbeat(ctx, 7)
	return 0, errors.New("the agent fell over after 7 steps")
}

// LongTask runs until it is cancelled.
func (*Activities) LongTask(ctx context.Context, input string) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
			activity.RecordHeartbeat(ctx)
		}
	}
}

// SearchOrHang answers for all topics but those that start with "slow" or "bad".
func (*Activities) SearchOrHang(ctx context.Context, topic string) (string, error) {
	switch topic[:3] {
	case "slo":
		return (&Activities{}).LongTask(ctx, topic)
	case "bad":
		return "", temporal.NewNonRetryableApplicationError("no result", "NoResult", nil)
	}
	return "found " + topic, nil
}

func (*Activities) RetrieveHierarchicalMemoryActivity(ctx context.Context, session string) (string, error) {
	return "hierarchical memory of " + session, nil
}

func (*Activities) GetSessionMessagesActivity(ctx context.Context, session string) (string, error) {
	return "messages of " + session, nil
}

func (*Activities) CompressContextActivity(ctx context.Context, messages int) (string, error) {
	return fmt.Sprintf("%d messages compressed", messages), nil
}

// PersistAgentExecutionInput is what is kept of an agent's run.
type PersistAgentExecutionInput struct {
	WorkflowID, AgentID, Input, Output string
	TokensUsed                         int
}

func (*Activities) PersistAgentExecutionStandalone(ctx context.Context, input PersistAgentExecutionInput) error {
	return nil
}

func (*Activities) Poll(ctx context.Context) error { return nil }

// SpendTokens says how many tokens a call took.
func (*Activities) SpendTokens(ctx context.Context, wanted int) (int, error) { return wanted, nil }

// DownloadLargeFile returns the path and not the data.
func (*Activities) DownloadLargeFile(ctx context.Context) (string, error) {
	return "/data/large-file", nil
}
