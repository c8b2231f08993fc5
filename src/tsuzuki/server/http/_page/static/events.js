// The events of a run as they arrive, and what they amount to: activities, timers, children, from begin to end.
import { Refused, fetched, pause } from "./dom.js";

const ENDS = /(Completed|Failed|TimedOut|Canceled|Fired|Terminated|Signaled|CancelRequested)$/;
const BEGINS = /^(ActivityTaskScheduled|TimerStarted|StartChildWorkflowExecutionInitiated|NexusOperationScheduled|WorkflowExecutionUpdateAccepted|(Signal|RequestCancel)ExternalWorkflowExecutionInitiated)$/;
const BAD = /(Failed|TimedOut)$/;
const RETRY_MS = 2000;
const SOONEST_MS = 500;
const FIELDS = ["id", "at", "type", "category", "name", "refers", "thing", "text", "attempt", "caller"];

export class Events {
  constructor(path) {
    this.path = path;
    this.all = []; // by event id - 1
    this.groups = []; // what has a length, or happened at once, in order
    this.byStart = new Map();
    this.tokens = []; // [first event id, token] of each page
    this.closed = false;
    this.changed = new Set();
  }

  // Who comes when something is here already is told of it too: a module may be loaded after all has arrived.
  onChange(tell) {
    this.changed.add(tell);
    if (this.all.length) queueMicrotask(() => tell(this.all.length));
  }

  // Loads what is recorded, then waits for more until the run closes.
  async follow() {
    let token = "";
    for (;;) {
      if (document.hidden && this.all.length) {
        await pause(300);
        continue;
      }
      let page;
      const wait = this.caughtUp ? 15 : 0;
      const asked = Date.now();
      try {
        page = await (await fetched(`${this.path}/rows?wait=${wait}&token=${encodeURIComponent(token)}`)).json();
      } catch (error) {
        if (error instanceof Refused && error.status && error.status !== 503) throw error;
        await pause(RETRY_MS);
        continue;
      }
      const added = page.rows.filter((row) => row[0] > this.all.length);
      if (added.length) this.tokens.push([added[0][0], token]);
      for (const row of added) this.add(Object.fromEntries(FIELDS.map((field, number) => [field, row[number]])));
      this.caughtUp = !page.full;
      token = page.next;
      this.closed = !token;
      if (added.length || this.closed || !wait) for (const tell of this.changed) tell(added.length);
      if (this.closed) return;
      if (!page.rows.length && Date.now() - asked < SOONEST_MS) await pause(SOONEST_MS); // who answers does not wait
    }
  }

  add(event) {
    event.bad = BAD.test(event.type) && event.category !== "workflow" ? true : /ExecutionFailed$|ExecutionTimedOut$/.test(event.type);
    if (event.category === "local-failed") Object.assign(event, { category: "local", bad: true });
    this.all.push(event);
    if (BEGINS.test(event.type)) this.begin(event);
    else if (event.refers && this.byStart.has(event.refers)) this.goOn(this.byStart.get(event.refers), event);
    else if (/^(signal|marker|local|update)$/.test(event.category)) this.groups.push({ ...only(event), ended: event.at });
    else if (event.category === "workflow" && event.type !== "WorkflowExecutionStarted") this.groups.push({ ...only(event), ended: event.at });
  }

  begin(event) {
    const group = { ...only(event), ended: null, attempts: [] };
    this.byStart.set(event.id, group);
    this.groups.push(group);
  }

  goOn(group, event) {
    event.name = event.category === "timer" ? event.name : event.name || group.start.name;
    event.group = group;
    group.events.push(event);
    if (event.type === "ActivityTaskStarted") {
      group.startedAt = event.at;
      group.attempt = event.attempt;
    }
    if (event.type === "ChildWorkflowExecutionStarted") group.startedAt = event.at;
    if (ENDS.test(event.type) && event.type !== "ActivityTaskCancelRequested") {
      group.ended = event.at;
      group.outcome = event;
      group.bad = event.bad;
    }
  }

  // Where to ask for an event whole.
  tokenOf(id) {
    let found = "";
    for (const [first, token] of this.tokens) if (first <= id) found = token;
    return found;
  }

  // An event as it is recorded, and its facts; where it cannot be read, why.
  async whole(id) {
    return (await fetched(`${this.path}/events/${id}?token=${encodeURIComponent(this.tokenOf(id))}`)).json();
  }
}

function nameOf(event) {
  if (event.category === "timer") return `timer ${event.text}`;
  return event.name || event.type.replace(/^WorkflowExecution/, "");
}

function only(event) {
  return {
    start: event, events: [event], category: event.category, name: nameOf(event),
    began: event.at, attempts: [], bad: event.bad, outcome: null,
  };
}
