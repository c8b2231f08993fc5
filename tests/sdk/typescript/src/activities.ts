import { activityInfo, ApplicationFailure, CompleteAsyncError, heartbeat, sleep } from '@temporalio/activity';

export async function greet(name: string): Promise<string> {
  return `Hello, ${name}!`;
}

export async function failsTwice(): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt < 3) throw new Error('not yet');
  return attempt;
}

export async function refuses(): Promise<void> {
  throw ApplicationFailure.create({ message: 'no', type: 'Refused', nonRetryable: true, details: ['why', 7] });
}

export async function goesOn(): Promise<number> {
  const done = activityInfo().heartbeatDetails as number | undefined;
  if (done !== undefined) return done;
  heartbeat(7);
  throw new Error('fell over after 7 steps');
}

export async function beatsUntilCancelled(): Promise<void> {
  for (;;) {
    heartbeat('alive');
    await sleep(20);
  }
}

/** Leaves its result to somebody else, who knows it by its id. */
export async function completedFromOutside(): Promise<string> {
  throw new CompleteAsyncError();
}
