/** Runs every scenario against a server and a worker, and says of each how it went: one line of JSON. */
import { strict as assert } from 'node:assert';
import {
  Client,
  Connection,
  isGrpcServiceError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, WorkflowIdConflictPolicy } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import * as workflows from './workflows';

const taskQueue = 'typescript';
let client: Client;

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

async function untilEvent(workflowId: string, attributes: string): Promise<void> {
  let token: Uint8Array | undefined;
  for (;;) {
    const page = await client.workflowService.getWorkflowExecutionHistory({
      namespace: 'default',
      execution: { workflowId },
      waitNewEvent: true,
      nextPageToken: token,
    });
    if (page.history?.events?.some((event) => (event as Record<string, unknown>)[attributes])) return;
    token = page.nextPageToken ?? undefined;
    assert.ok(token?.length, `the run is over without ${attributes}`);
  }
}

const scenarios: Record<string, (id: string) => Promise<void>> = {
  async activity(workflowId) {
    const result = await client.workflow.execute(workflows.greeting, { workflowId, taskQueue, args: ['you'] });
    assert.equal(result, 'Hello, you!');
  },

  async retries(workflowId) {
    assert.equal(await client.workflow.execute(workflows.retried, { workflowId, taskQueue }), 3);
  },

  async failureOfAnActivity(workflowId) {
    const result = await client.workflow.execute(workflows.caught, { workflowId, taskQueue });
    assert.deepEqual(result, ['Refused', 'why', 7]);
  },

  async heartbeatDetails(workflowId) {
    assert.equal(await client.workflow.execute(workflows.heartbeating, { workflowId, taskQueue }), 7);
  },

  async parallelAndTimers(workflowId) {
    assert.equal(await client.workflow.execute(workflows.many, { workflowId, taskQueue, args: [30] }), 30);
  },

  async signalsQueriesUpdates(workflowId) {
    const handle = await client.workflow.start(workflows.counter, { workflowId, taskQueue });
    await handle.signal(workflows.add, 2);
    assert.equal(await handle.query(workflows.total), 2);
    assert.equal(await handle.executeUpdate(workflows.addAndGet, { args: [3] }), 5);
    const refused = await rejection(handle.executeUpdate(workflows.addAndGet, { args: [-1] }));
    assert.equal(refused instanceof WorkflowUpdateFailedError && refused.cause?.message, 'negative');
    await handle.signal(workflows.finish);
    assert.equal(await handle.result(), 5);
    assert.equal(await handle.query(workflows.total), 5);
  },

  async startedBySignalAndByUpdate(workflowId) {
    await client.workflow.signalWithStart(workflows.counter, {
      workflowId,
      taskQueue,
      signal: workflows.add,
      signalArgs: [7],
    });
    const startWorkflowOperation = new WithStartWorkflowOperation(workflows.counter, {
      workflowId,
      taskQueue,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    });
    const result = await client.workflow.executeUpdateWithStart(workflows.addAndGet, {
      args: [1],
      startWorkflowOperation,
    });
    assert.equal(result, 8);
    await client.workflow.getHandle(workflowId).terminate();
  },

  async children(workflowId) {
    const result = await client.workflow.execute(workflows.parent, { workflowId, taskQueue, args: [['a', 'b']] });
    assert.deepEqual(result, ['Hello, a!', 'Hello, b!']);
    const child = await client.workflow.getHandle('child-a').describe();
    assert.equal(child.parentExecution?.workflowId, workflowId);
  },

  async abandonedChild(workflowId) {
    const runId = await client.workflow.execute(workflows.abandoning, { workflowId, taskQueue });
    const child = client.workflow.getHandle('left-behind');
    assert.equal((await child.describe()).runId, runId);
    assert.equal(await child.query(workflows.total), 5);
    await child.terminate();
  },

  async continueAsNew(workflowId) {
    const handle = await client.workflow.start(workflows.countdown, { workflowId, taskQueue, args: [3] });
    assert.equal(await handle.result(), 3);
    const first = await client.workflow.getHandle(workflowId, handle.firstExecutionRunId).describe();
    assert.equal(first.status.name, 'CONTINUED_AS_NEW');
  },

  async cancellationAndCleaning(workflowId) {
    const handle = await client.workflow.start(workflows.cleaned, { workflowId, taskQueue });
    await untilEvent(workflowId, 'activityTaskScheduledEventAttributes');
    await handle.cancel();
    const failed = await rejection(handle.result());
    assert.ok(failed instanceof WorkflowFailedError && failed.cause instanceof CancelledFailure);
    const history = await handle.fetchHistory();
    assert.ok(history.events?.some((event) => event.activityTaskCompletedEventAttributes));
  },

  async timeout(workflowId) {
    assert.equal(await client.workflow.execute(workflows.timedOut, { workflowId, taskQueue }), 'timeout');
  },

  async failureOfAWorkflow(workflowId) {
    const failed = await rejection(client.workflow.execute(workflows.failing, { workflowId, taskQueue }));
    const cause = failed instanceof WorkflowFailedError ? failed.cause : undefined;
    assert.ok(cause instanceof ApplicationFailure);
    assert.deepEqual([cause.type, cause.details], ['Broken', ['detail']]);
  },

  async localActivities(workflowId) {
    const result = await client.workflow.execute(workflows.withLocalActivities, { workflowId, taskQueue });
    assert.deepEqual(result, ['Hello, a!', 'Hello, b!']);
  },

  async patches(workflowId) {
    assert.equal(await client.workflow.execute(workflows.gated, { workflowId, taskQueue }), 'Hello, 36!');
  },

  async memoAndSearchAttributes(workflowId) {
    const handle = await client.workflow.start(workflows.described, { workflowId, taskQueue, memo: { stage: 'first' } });
    await untilEvent(workflowId, 'upsertWorkflowSearchAttributesEventAttributes');
    const description = await handle.describe();
    assert.equal(description.memo?.stage, 'second');
    assert.deepEqual(description.searchAttributes.CustomKeywordField, ['here']);
    const listed = [];
    for await (const info of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) listed.push(info.runId);
    assert.deepEqual(listed, [description.runId]);
    assert.equal((await client.workflow.count(`WorkflowId = '${workflowId}'`)).count, 1);
    await handle.terminate('enough');
    assert.equal((await handle.describe()).status.name, 'TERMINATED');
  },

  async completionFromOutside(workflowId) {
    const handle = await client.workflow.start(workflows.fromOutside, { workflowId, taskQueue });
    await untilEvent(workflowId, 'activityTaskScheduledEventAttributes');
        for (;;) {
      // it may not have been started yet
      try {
        await client.activity.complete({ workflowId, activityId: '1' }, 'from outside');
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    assert.equal(await handle.result(), 'from outside');
  },

  async takenIdsAndUnknownOnes(workflowId) {
    const handle = await client.workflow.start(workflows.counter, { workflowId, taskQueue });
    const taken = await rejection(client.workflow.start(workflows.counter, { workflowId, taskQueue }));
    assert.ok(taken instanceof WorkflowExecutionAlreadyStartedError);
    await handle.terminate();
    assert.ok((await rejection(client.workflow.getHandle('nobody').describe())) instanceof WorkflowNotFoundError);
    const refused = await rejection(client.workflowService.listWorkflowRules({ namespace: 'default' }));
    assert.ok(isGrpcServiceError(refused) && refused.code === 12);
  },

  async replayOfHistories() {
    const ids = ['parallelAndTimers', 'signalsQueriesUpdates', 'children', 'localActivities', 'patches'];
    async function* histories() {
      for (const workflowId of ids) {
        yield { workflowId, history: await client.workflow.getHandle(workflowId).fetchHistory() };
      }
    }
    const replayed = [];
    const options = { workflowsPath: require.resolve('./workflows') };
    for await (const result of Worker.runReplayHistories(options, histories())) {
      replayed.push([result.workflowId, result.error]);
    }
    assert.deepEqual(replayed.sort(), ids.map((id) => [id, undefined]).sort());
  },
};

async function main(): Promise<void> {
  const connection = await Connection.connect({ address: process.argv[2] });
  client = new Client({ connection });
  for (const [name, scenario] of Object.entries(scenarios)) {
    let failure = '';
    try {
      await scenario(name);
    } catch (error) {
      failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    console.log(JSON.stringify({ scenario: name, failure }));
  }
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
