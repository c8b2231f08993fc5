import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  deprecatePatch,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type * as activities from './activities';

const step = proxyActivities<typeof activities>({ startToCloseTimeout: '30s', retry: { initialInterval: '10ms' } });
const watched = proxyActivities<typeof activities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '10ms' },
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
});
const local = proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10s' });

export async function greeting(name: string): Promise<string> {
  return await step.greet(name);
}

export async function retried(): Promise<number> {
  return await step.failsTwice();
}

export async function caught(): Promise<unknown[]> {
  try {
    await step.refuses();
    return [];
  } catch (error) {
    const cause = (error as ActivityFailure).cause as ApplicationFailure;
    return [cause.type, ...(cause.details ?? [])];
  }
}

export async function heartbeating(): Promise<number> {
  return await watched.goesOn();
}

export async function many(count: number): Promise<number> {
  const greetings = await Promise.all(Array.from({ length: count }, (_, n) => step.greet(String(n))));
  await Promise.all([sleep(5), sleep(10)]);
  return new Set(greetings).size;
}

export const add = defineSignal<[number]>('add');
export const finish = defineSignal('finish');
export const total = defineQuery<number>('total');
export const addAndGet = defineUpdate<number, [number]>('addAndGet');

export async function counter(): Promise<number> {
  let sum = 0;
  let done = false;
  setHandler(add, (amount) => void (sum += amount));
  setHandler(finish, () => void (done = true));
  setHandler(total, () => sum);
  setHandler(
    addAndGet,
    async (amount) => {
      sum += amount;
      await sleep(1);
      return sum;
    },
    {
      validator: (amount) => {
        if (amount < 0) throw new Error('negative');
      },
    }
  );
  await condition(() => done && allHandlersFinished());
  return sum;
}

export async function parent(names: string[]): Promise<string[]> {
  return await Promise.all(names.map((name) => executeChild(greeting, { args: [name], workflowId: `child-${name}` })));
}

export async function abandoning(): Promise<string> {
  const child = await startChild(counter, { workflowId: 'left-behind', parentClosePolicy: ParentClosePolicy.ABANDON });
  await getExternalWorkflowHandle('left-behind').signal(add, 5);
  return child.firstExecutionRunId;
}

export async function countdown(left: number): Promise<number> {
  if (left > 0) await continueAsNew<typeof countdown>(left - 1);
  return workflowInfo().historyLength;
}

export async function cleaned(): Promise<string> {
  try {
    await watched.beatsUntilCancelled();
    return 'not cancelled';
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await CancellationScope.nonCancellable(() => step.greet('after'));
    throw error;
  }
}

export async function timedOut(): Promise<string> {
  try {
    return await CancellationScope.withTimeout(200, async () => {
      await watched.beatsUntilCancelled();
      return 'done';
    });
  } catch (error) {
    return isCancellation(error) ? 'timeout' : 'another error';
  }
}

export async function failing(): Promise<void> {
  throw ApplicationFailure.nonRetryable('broken', 'Broken', 'detail');
}

export async function withLocalActivities(): Promise<string[]> {
  return [await local.greet('a'), await local.greet('b')];
}

export async function gated(): Promise<string> {
  deprecatePatch('old-change');
  return patched('new-change') ? await step.greet(uuid4().length.toString()) : 'before';
}

export async function described(): Promise<void> {
  upsertMemo({ stage: 'second' });
  upsertSearchAttributes({ CustomKeywordField: ['here'] });
  await condition(() => false);
}

export async function fromOutside(): Promise<string> {
  return await step.completedFromOutside();
}
