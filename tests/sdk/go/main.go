// The Go snippets of the chapter, completed to a program on the official Go SDK, unmodified.
//
//	chapter worker HOST:PORT [v1|v2]         run workers until the process is ended
//	chapter signal HOST:PORT ID NAME         send a signal without arguments
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: chapter worker|signal HOST:PORT ...")
	}
	c := connect(os.Args[2])
	defer c.Close()
	switch os.Args[1] {
	case "worker":
		deployed := "v2"
		if len(os.Args) > 3 {
			deployed = os.Args[3]
		}
		work(c, deployed)
	case "signal":
		if err := c.SignalWorkflow(context.Background(), os.Args[3], "", os.Args[4], nil); err != nil {
			log.Fatal(err)
		}
	}
}

// startWorker is the chapter's: one worker for each queue, with room for so many at a time.
func startWorker(c client.Client, queue string, activities, workflows int, deployed string) worker.Worker {
	w := worker.New(c, queue, worker.Options{
		MaxConcurrentActivityExecutionSize:     activities,
		MaxConcurrentWorkflowTaskExecutionSize: workflows,
	})
	for name, run := range map[string]any{
		"DeepResearchWorkflow":  DeepResearchWorkflow,
		"DeterministicWorkflow": DeterministicWorkflow,
		"OptionsWorkflow":       OptionsWorkflow,
		"MyWorkflow":            map[string]any{"v1": MyWorkflowV1, "v2": MyWorkflowV2}[deployed],
		"MigratedWorkflow":      map[string]any{"v1": MigratedWorkflowV1, "v2": MigratedWorkflowV2}[deployed],
		"MemoryWorkflow":        MemoryWorkflow,
		"ControlledWorkflow":    ControlledWorkflow,
		"FireAndForgetWorkflow": FireAndForgetWorkflow,
		"WaitForAllWorkflow":    WaitForAllWorkflow,
		"FirstComeWorkflow":     FirstComeWorkflow,
		"TimeoutWorkflow":       TimeoutWorkflow,
		"ParentWorkflow":        ParentWorkflow,
		"ResearchChildWorkflow": ResearchChildWorkflow,
		"LoopWorkflow":          LoopWorkflow,
		"CancelledWorkflow":     CancelledWorkflow,
		"ThreeOfFiveWorkflow":   ThreeOfFiveWorkflow,
		"BudgetedWorkflow":      BudgetedWorkflow,
		"DownloadWorkflow":      DownloadWorkflow,
	} {
		w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: name})
	}
	w.RegisterActivity(&Activities{})
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	return w
}

func work(c client.Client, deployed string) {
	for queue, slots := range map[string]int{
		"shannon-tasks-critical": 12,
		"shannon-tasks-high":     10,
		"shannon-tasks":          8,
		"shannon-tasks-low":      4,
	} {
		w := startWorker(c, queue, slots, slots, deployed)
		defer w.Stop()
	}
	fmt.Println("working")
	<-worker.InterruptCh()
}
