import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './activities';

async function main(): Promise<void> {
  const connection = await NativeConnection.connect({ address: process.argv[2] });
  const worker = await Worker.create({
    connection,
    taskQueue: 'typescript',
    workflowsPath: require.resolve('./workflows'),
    activities,
    maxCachedWorkflows: 5, // so that some of them replay
  });
  const running = worker.run();
  console.log('working');
  await running;
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
