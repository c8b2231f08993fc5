package scenarios;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityExecutionContext;
import io.temporal.activity.ActivityInterface;
import io.temporal.failure.ApplicationFailure;

@ActivityInterface
public interface Activities {
  String greet(String name);

  int failsTwice();

  void refuses();

  int goesOn();

  void beatsUntilCancelled();

  class Implementation implements Activities {
    @Override
    public String greet(String name) {
      return "Hello, " + name + "!";
    }

    @Override
    public int failsTwice() {
      int attempt = Activity.getExecutionContext().getInfo().getAttempt();
      if (attempt < 3) {
        throw new IllegalStateException("not yet");
      }
      return attempt;
    }

    @Override
    public void refuses() {
      throw ApplicationFailure.newNonRetryableFailure("no", "Refused", "why", 7);
    }

    @Override
    public int goesOn() {
      ActivityExecutionContext context = Activity.getExecutionContext();
      Integer done = context.getHeartbeatDetails(Integer.class).orElse(null);
      if (done != null) {
        return done;
      }
      context.heartbeat(7);
      throw new IllegalStateException("fell over after 7 steps");
    }

    @Override
    public void beatsUntilCancelled() {
      while (true) {
        Activity.getExecutionContext().heartbeat("alive");
        try {
          Thread.sleep(20);
        } catch (InterruptedException interrupted) {
          throw Activity.wrap(interrupted);
        }
      }
    }
  }
}
