package scenarios;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ActivityFailure;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.workflow.Async;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.Promise;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.UpdateValidatorMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

final class Workflows {
  private Workflows() {}

  static final Class<?>[] ALL = {
    GreetingImpl.class,
    RetriedImpl.class,
    CaughtImpl.class,
    HeartbeatingImpl.class,
    ManyImpl.class,
    CounterImpl.class,
    ParentImpl.class,
    CountdownImpl.class,
    CancelledImpl.class,
    LocalImpl.class,
    VersionedImpl.class,
    LargeImpl.class,
  };

  private static Activities activities() {
    return Workflow.newActivityStub(
        Activities.class,
        ActivityOptions.newBuilder()
            .setStartToCloseTimeout(Duration.ofSeconds(30))
            .setHeartbeatTimeout(Duration.ofSeconds(5))
            .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
            .setRetryOptions(
                RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(10)).build())
            .build());
  }

  @WorkflowInterface
  public interface Greeting {
    @WorkflowMethod
    String run(String name);
  }

  public static class GreetingImpl implements Greeting {
    @Override
    public String run(String name) {
      return activities().greet(name);
    }
  }

  @WorkflowInterface
  public interface Retried {
    @WorkflowMethod
    int run();
  }

  public static class RetriedImpl implements Retried {
    @Override
    public int run() {
      return activities().failsTwice();
    }
  }

  @WorkflowInterface
  public interface Caught {
    @WorkflowMethod
    List<String> run();
  }

  public static class CaughtImpl implements Caught {
    @Override
    public List<String> run() {
      try {
        activities().refuses();
      } catch (ActivityFailure failure) {
        ApplicationFailure cause = (ApplicationFailure) failure.getCause();
        return List.of(
            cause.getType(),
            cause.getDetails().get(0, String.class),
            String.valueOf(cause.getDetails().get(1, Integer.class)));
      }
      return List.of();
    }
  }

  @WorkflowInterface
  public interface Heartbeating {
    @WorkflowMethod
    int run();
  }

  public static class HeartbeatingImpl implements Heartbeating {
    @Override
    public int run() {
      return activities().goesOn();
    }
  }

  @WorkflowInterface
  public interface Many {
    @WorkflowMethod
    int run(int count);
  }

  public static class ManyImpl implements Many {
    @Override
    public int run(int count) {
      List<Promise<String>> greetings = new ArrayList<>();
      for (int number = 0; number < count; number++) {
        greetings.add(Async.function(activities()::greet, String.valueOf(number)));
      }
      Promise<Void> timer = Workflow.newTimer(Duration.ofMillis(50));
      Promise.allOf(greetings).get();
      timer.get();
      return greetings.size();
    }
  }

  @WorkflowInterface
  public interface Counter {
    @WorkflowMethod
    int run();

    @SignalMethod
    void add(int number);

    @SignalMethod
    void finish();

    @QueryMethod
    int total();

    @UpdateMethod
    int addAndGet(int number);

    @UpdateValidatorMethod(updateName = "addAndGet")
    void check(int number);
  }

  public static class CounterImpl implements Counter {
    private int total;
    private boolean finished;

    @Override
    public int run() {
      Workflow.await(() -> finished);
      return total;
    }

    @Override
    public void add(int number) {
      total += number;
    }

    @Override
    public void finish() {
      finished = true;
    }

    @Override
    public int total() {
      return total;
    }

    @Override
    public int addAndGet(int number) {
      Workflow.sleep(Duration.ofMillis(1));
      total += number;
      return total;
    }

    @Override
    public void check(int number) {
      if (number < 0) {
        throw new IllegalArgumentException("negative");
      }
    }
  }

  @WorkflowInterface
  public interface Parent {
    @WorkflowMethod
    List<String> run(List<String> names);
  }

  public static class ParentImpl implements Parent {
    @Override
    public List<String> run(List<String> names) {
      List<Promise<String>> greetings = new ArrayList<>();
      for (String name : names) {
        Greeting child =
            Workflow.newChildWorkflowStub(
                Greeting.class,
                ChildWorkflowOptions.newBuilder()
                    .setWorkflowId(Workflow.getInfo().getWorkflowId() + "-" + name)
                    .build());
        greetings.add(Async.function(child::run, name));
      }
      List<String> told = new ArrayList<>();
      for (Promise<String> greeting : greetings) {
        told.add(greeting.get());
      }
      return told;
    }
  }

  @WorkflowInterface
  public interface Countdown {
    @WorkflowMethod
    String run(int left, int runs);
  }

  public static class CountdownImpl implements Countdown {
    @Override
    public String run(int left, int runs) {
      if (left > 0) {
        Workflow.newContinueAsNewStub(Countdown.class).run(left - 1, runs + 1);
      }
      return runs + " runs";
    }
  }

  @WorkflowInterface
  public interface Cancelled {
    @WorkflowMethod
    String run();
  }

  public static class CancelledImpl implements Cancelled {
    @Override
    public String run() {
      try {
        activities().beatsUntilCancelled();
      } catch (ActivityFailure failure) {
        String[] cleaned = new String[1];
        Workflow.newDetachedCancellationScope(() -> cleaned[0] = activities().greet("end")).run();
        if (failure.getCause() instanceof CanceledFailure) {
          throw new CanceledFailure(cleaned[0]);
        }
      }
      return "it ended";
    }
  }

  @WorkflowInterface
  public interface Local {
    @WorkflowMethod
    String run(String name);
  }

  public static class LocalImpl implements Local {
    @Override
    public String run(String name) {
      LocalActivityOptions options =
          LocalActivityOptions.newBuilder()
              .setStartToCloseTimeout(Duration.ofSeconds(30))
              .build();
      return Workflow.newLocalActivityStub(Activities.class, options).greet(name);
    }
  }

  @WorkflowInterface
  public interface Versioned {
    @WorkflowMethod
    String run();
  }

  public static class VersionedImpl implements Versioned {
    @Override
    public String run() {
      int version = Workflow.getVersion("change", Workflow.DEFAULT_VERSION, 2);
      String drawn = Workflow.sideEffect(String.class, () -> "drawn");
      Workflow.sleep(Duration.ofMillis(1));
      return version + " " + drawn;
    }
  }

  @WorkflowInterface
  public interface Large {
    @WorkflowMethod
    void run();
  }

  /** Each input is small enough, but not all together. */
  public static class LargeImpl implements Large {
    @Override
    public void run() {
      List<Promise<String>> greetings = new ArrayList<>();
      for (int number = 0; number < 3; number++) {
        greetings.add(Async.function(activities()::greet, "x".repeat(1_900_000)));
      }
      Promise.allOf(greetings).get();
    }
  }
}
