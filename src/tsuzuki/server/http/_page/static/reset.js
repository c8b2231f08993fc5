// To which points a run can be reset, in words: each is a completed workflow task, which is then done again.
const POINTS_MAX = 200; // the newest; and the first of all

const said = (event) => `${event.type.replace(/^(WorkflowExecution|ActivityTask|ChildWorkflowExecution)/, (all) => ({ WorkflowExecution: "", ActivityTask: "activity " })[all] ?? "child ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()}${event.name ? ` ${event.name}` : ""}`;

// [event id, words], the newest first.
export function resetPoints(events) {
  const tasks = events.filter((event) => event.type === "WorkflowTaskCompleted");
  const shown = tasks.length > POINTS_MAX ? [tasks[0], ...tasks.slice(1 - POINTS_MAX)] : tasks;
  return shown.map((task) => {
    if (task === tasks[0]) return [task.id, `${task.id} · from the beginning`];
    const before = events.slice(0, task.id - 1).findLast((event) => event.category !== "task");
    const decided = events[task.id]; // what a task decides stands right behind it
    return [task.id, `${task.id} · after ${said(before)}${decided && decided.category !== "task" ? `, before ${said(decided)}` : ""}`];
  }).reverse();
}

// Where one wants to go back to as a rule: to the decision to do what failed last, else to the last one.
export function usualPoint(events, groups) {
  const failed = groups.findLast((group) => group.bad && group.events.length > 1);
  const until = failed ? failed.start.id : events.length + 1;
  return events.slice(0, until - 1).findLast((event) => event.type === "WorkflowTaskCompleted")?.id;
}
