package scenarios;

import io.temporal.api.enums.v1.EventType;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateException;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;

/** Runs every scenario against a server, with a worker of its own, and says of each how it went, in one line. */
public final class Main {
  private static final String TASK_QUEUE = "java";

  private final WorkflowClient client;

  private Main(WorkflowClient client) {
    this.client = client;
  }

  @FunctionalInterface
  private interface Scenario {
    void run(String workflowId) throws Exception;
  }

  private Map<String, Scenario> scenarios() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    all.put("activity", this::activity);
    all.put("retries", this::retries);
    all.put("failureOfAnActivity", this::failureOfAnActivity);
    all.put("heartbeatDetails", this::heartbeatDetails);
    all.put("parallelAndTimers", this::parallelAndTimers);
    all.put("signalsQueriesUpdates", this::signalsQueriesUpdates);
    all.put("startedBySignal", this::startedBySignal);
    all.put("children", this::children);
    all.put("continueAsNew", this::continueAsNew);
    all.put("cancellation", this::cancellation);
    all.put("localActivity", this::localActivity);
    all.put("versionsAndSideEffects", this::versionsAndSideEffects);
    all.put("largeAnswer", this::largeAnswer);
    all.put("termination", this::termination);
    all.put("idThatIsTaken", this::idThatIsTaken);
    all.put("unknownWorkflow", this::unknownWorkflow);
    return all;
  }

  private void activity(String id) {
    equal(stub(Workflows.Greeting.class, id).run("you"), "Hello, you!");
  }

  private void retries(String id) {
    equal(stub(Workflows.Retried.class, id).run(), 3);
  }

  private void failureOfAnActivity(String id) {
    equal(stub(Workflows.Caught.class, id).run(), List.of("Refused", "why", "7"));
  }

  private void heartbeatDetails(String id) {
    equal(stub(Workflows.Heartbeating.class, id).run(), 7);
  }

  private void parallelAndTimers(String id) {
    equal(stub(Workflows.Many.class, id).run(30), 30);
  }

  private void signalsQueriesUpdates(String id) {
    Workflows.Counter counter = stub(Workflows.Counter.class, id);
    WorkflowClient.start(counter::run);
    counter.add(2);
    equal(counter.total(), 2);
    equal(counter.addAndGet(3), 5);
    WorkflowUpdateException refused = refusal(WorkflowUpdateException.class, () -> counter.addAndGet(-1));
    equal(refused.getCause().getMessage().contains("negative"), true);
    counter.finish();
    equal(WorkflowStub.fromTyped(counter).getResult(Integer.class), 5);
    equal(counter.total(), 5);
  }

  private void startedBySignal(String id) {
    WorkflowStub counter = WorkflowStub.fromTyped(stub(Workflows.Counter.class, id));
    counter.signalWithStart("add", new Object[] {7}, new Object[0]);
    equal(counter.update("addAndGet", Integer.class, 1), 8);
    counter.terminate("enough");
  }

  private void children(String id) {
    equal(stub(Workflows.Parent.class, id).run(List.of("a", "b")), List.of("Hello, a!", "Hello, b!"));
  }

  private void continueAsNew(String id) {
    equal(stub(Workflows.Countdown.class, id).run(3, 1), "4 runs");
  }

  private void cancellation(String id) {
    Workflows.Cancelled workflow = stub(Workflows.Cancelled.class, id);
    WorkflowClient.start(workflow::run);
    WorkflowStub untyped = WorkflowStub.fromTyped(workflow);
    untyped.cancel();
    WorkflowFailedException failed = refusal(WorkflowFailedException.class, () -> untyped.getResult(String.class));
    equal(failed.getCause().getClass(), CanceledFailure.class);
    equal(failed.getWorkflowCloseEventType(), EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED);
  }

  private void localActivity(String id) {
    equal(stub(Workflows.Local.class, id).run("here"), "Hello, here!");
    equal(
        client.fetchHistory(id).getEvents().stream()
            .anyMatch(event -> event.getEventType() == EventType.EVENT_TYPE_MARKER_RECORDED),
        true);
  }

  private void versionsAndSideEffects(String id) {
    equal(stub(Workflows.Versioned.class, id).run(), "2 drawn");
  }

  private void largeAnswer(String id) {
    Workflows.Large workflow = stub(Workflows.Large.class, id);
    WorkflowFailedException failed = refusal(WorkflowFailedException.class, workflow::run);
    equal(failed.getCause().getClass(), TerminatedFailure.class);
  }

  private void termination(String id) {
    Workflows.Counter counter = stub(Workflows.Counter.class, id);
    WorkflowClient.start(counter::run);
    WorkflowStub untyped = WorkflowStub.fromTyped(counter);
    untyped.terminate("enough");
    WorkflowFailedException failed = refusal(WorkflowFailedException.class, () -> untyped.getResult(Integer.class));
    equal(failed.getCause().getClass(), TerminatedFailure.class);
  }

  private void idThatIsTaken(String id) {
    Workflows.Counter counter = stub(Workflows.Counter.class, id);
    WorkflowClient.start(counter::run);
    Workflows.Counter second = stub(Workflows.Counter.class, id);
    refusal(WorkflowExecutionAlreadyStarted.class, () -> WorkflowClient.start(second::run));
    WorkflowStub.fromTyped(counter).terminate("enough");
  }

  private void unknownWorkflow(String id) {
    refusal(WorkflowNotFoundException.class, () -> client.newWorkflowStub(Workflows.Counter.class, id).add(1));
  }

  private <T> T stub(Class<T> type, String id) {
    return client.newWorkflowStub(
        type, WorkflowOptions.newBuilder().setWorkflowId(id).setTaskQueue(TASK_QUEUE).build());
  }

  private static void equal(Object found, Object expected) {
    if (!Objects.equals(found, expected)) {
      throw new AssertionError("found " + found + ", expected " + expected);
    }
  }

  private static <E extends Exception> E refusal(Class<E> type, Runnable call) {
    try {
      call.run();
    } catch (RuntimeException refused) {
      if (type.isInstance(refused)) {
        return type.cast(refused);
      }
      throw refused;
    }
    throw new AssertionError("it was not refused");
  }

  private static String words(Throwable failure) {
    StringBuilder words = new StringBuilder();
    for (Throwable each = failure; each != null; each = each.getCause()) {
      words.append(each).append("; ");
    }
    return words.toString().replaceAll("\\s+", " ");
  }

  /** Says "scenario name: failure", the failure being empty where there is none. */
  public static void main(String[] arguments) {
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(arguments[0]).build());
    WorkflowClient client = WorkflowClient.newInstance(service);
    WorkerFactory factory = WorkerFactory.newInstance(client);
    Worker worker = factory.newWorker(TASK_QUEUE);
    worker.registerWorkflowImplementationTypes(Workflows.ALL);
    worker.registerActivitiesImplementations(new Activities.Implementation());
    factory.start();
    new Main(client)
        .scenarios()
        .forEach(
            (name, scenario) -> {
              String failure = "";
              try {
                scenario.run(name + "-" + UUID.randomUUID());
              } catch (Throwable thrown) {
                failure = words(thrown);
              }
              System.out.println("scenario " + name + ": " + failure);
            });
    System.exit(0);
  }
}
