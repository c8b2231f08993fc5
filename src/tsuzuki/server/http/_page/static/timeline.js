// Activities, timers, children and signals over time. Only the lanes in sight are drawn.
import { length, shape } from "./dom.js";

const LANE = 22;
const BAR = 10;
const LABEL = 230;
const AXIS = 22;
const SEEN_MAX = 320;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 604_800_000, 2_592_000_000];

export class Timeline {
  constructor(box, open) {
    this.box = box;
    this.open = open;
    this.groups = [];
    this.zoom = 1;
    this.from = 0; // share of the whole at the left edge
    this.svg = shape("svg", { role: "img", "aria-label": "Timeline" });
    this.spacer = document.createElement("div");
    this.box.replaceChildren(this.svg, this.spacer);
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.drag();
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  show(groups, begin, end) {
    Object.assign(this, { groups, begin, end: Math.max(end, begin + 1) });
    const height = Math.min(AXIS + Math.max(groups.length, 1) * LANE + 6, SEEN_MAX);
    this.box.style.height = `${height}px`;
    this.spacer.style.height = `${Math.max(0, AXIS + groups.length * LANE + 6 - height)}px`;
    this.draw();
  }

  zoomTo(zoom, at = 0.5) {
    const before = this.from + at / this.zoom;
    this.zoom = Math.min(Math.max(zoom, 1), 5000);
    this.from = Math.min(Math.max(before - at / this.zoom, 0), 1 - 1 / this.zoom);
    this.draw();
  }

  pan(share) {
    this.from = Math.min(Math.max(this.from + share / this.zoom, 0), 1 - 1 / this.zoom);
    this.draw();
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const box = this.box.getBoundingClientRect();
      this.zoomTo(this.zoom * Math.exp(-event.deltaY / 200), (event.clientX - box.left - this.label()) / this.width());
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && this.zoom > 1) {
      event.preventDefault();
      this.pan(event.deltaX / this.width());
    }
  }

  key(event) {
    const act = { "+": () => this.zoomTo(this.zoom * 1.5), "-": () => this.zoomTo(this.zoom / 1.5), 0: () => this.zoomTo(1),
      ArrowLeft: () => this.pan(-0.1), ArrowRight: () => this.pan(0.1) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // One finger or the mouse moves what is in sight, two fingers zoom. What was dragged was not clicked.
  drag() {
    const down = new Map();
    const spread = () => Math.abs([...down.values()].reduce((one, other) => one - other)) || 1;
    this.box.addEventListener("pointerdown", (event) => {
      down.set(event.pointerId, event.clientX);
      this.dragged = 0;
    });
    for (const over of ["pointerup", "pointercancel"]) addEventListener(over, (event) => down.delete(event.pointerId));
    addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (before === undefined) return;
      const was = down.size === 2 ? spread() : 0;
      down.set(event.pointerId, event.clientX);
      this.dragged += Math.abs(event.clientX - before);
      if (was) {
        const middle = [...down.values()].reduce((sum, x) => sum + x / 2, 0);
        this.zoomTo(this.zoom * (spread() / was), (middle - this.box.getBoundingClientRect().left - this.label()) / this.width());
      } else if (this.zoom > 1) this.pan((before - event.clientX) / this.width());
    });
  }

  label() {
    return this.box.clientWidth < 640 ? 110 : LABEL;
  }

  width() {
    return Math.max(50, this.box.clientWidth - this.label() - 60);
  }

  x(at) {
    const share = (at - this.begin) / (this.end - this.begin);
    return this.label() + (share - this.from) * this.zoom * this.width();
  }

  draw() {
    const height = this.box.clientHeight;
    if (!height || this.begin === undefined) return;
    this.svg.setAttribute("width", this.box.clientWidth);
    this.svg.setAttribute("height", height);
    const top = this.box.scrollTop;
    const first = Math.max(0, Math.floor((top - AXIS) / LANE));
    const last = Math.min(this.groups.length, Math.ceil((top + height - AXIS) / LANE));
    const parts = [this.axis(height)];
    for (let number = first; number < last; number++) {
      const y = AXIS + number * LANE - top;
      if (y > AXIS - LANE) parts.push(this.lane(this.groups[number], y));
    }
    parts.push(shape("rect", { x: 0, y: 0, width: this.box.clientWidth, height: AXIS - 2, fill: "var(--panel)" }), this.ticks());
    this.svg.replaceChildren(...parts);
  }

  step() {
    const shown = (this.end - this.begin) / this.zoom;
    return STEPS.find((step) => shown / step <= Math.max(3, this.width() / 110)) || STEPS.at(-1);
  }

  *times() {
    const step = this.step();
    for (let at = 0; at <= this.end - this.begin; at += step) {
      const x = this.x(this.begin + at);
      if (x >= this.label() - 1 && x <= this.label() + this.width() + 60) yield [at, x];
      if (x > this.label() + this.width() + 60) return;
    }
  }

  axis(height) {
    return shape("g", {}, ...[...this.times()].map(([, x]) => shape("line", { x1: x, x2: x, y1: AXIS - 4, y2: height, class: "grid" })));
  }

  ticks() {
    return shape("g", {}, ...[...this.times()].map(([at, x]) => shape("text", { x: x + 3, y: 13, class: "axis" }, at ? `+${length(at)}` : "0")));
  }

  lane(group, y) {
    const lane = shape("g", { class: "lane" });
    const width = this.box.clientWidth;
    lane.append(shape("rect", { x: 0, y, width, height: LANE, class: "hit" }));
    lane.addEventListener("click", () => this.dragged > 4 || this.open(group));
    const short = Math.floor((this.label() - 24) / 6.9);
    const name = group.name.length > short ? `${group.name.slice(0, short - 1)}…` : group.name;
    const clip = [this.label(), this.label() + this.width() + 60];
    const begin = this.x(group.began);
    const end = this.x(group.ended ?? this.end);
    const middle = y + LANE / 2;
    const kind = `${group.category}${group.bad ? " failed" : ""}${group.ended === null ? " open" : ""}`;
    if (group.events[0].category === "signal" || (group.events.length === 1 && group.ended !== null)) {
      if (begin >= clip[0] - 6 && begin <= clip[1]) lane.append(shape("circle", { cx: begin, cy: middle, r: 5, class: kind }));
    } else {
      const left = Math.max(begin, clip[0]);
      const right = Math.min(Math.max(end, begin + 3), clip[1]);
      if (right > left) lane.append(shape("rect", { x: left, y: middle - BAR / 2, width: right - left, height: BAR, rx: 2.5, class: kind }));
      const tried = group.ended === null ? group.pending?.attempts > 1 && group.pending.ended : group.attempt > 1 && group.startedAt;
      if (tried) this.retries(lane, tried, begin, middle, clip);
      this.tell(lane, group, Math.max(right, clip[0]), middle);
    }
    lane.append(shape("rect", { x: 0, y, width: this.label() - 6, height: LANE, fill: "var(--panel)" }));
    lane.append(shape("text", { x: 12, y: middle + 4 }, name));
    lane.append(shape("title", {}, `${group.name}: ${group.start.type} ${group.start.id}${group.outcome ? `, ${group.outcome.type} ${group.outcome.id}` : ""}\n${(group.outcome || group.start).text}`));
    return lane;
  }

  // Behind a bar: how long it took and in how many attempts, and when the next one comes. Where there is no room, in it.
  tell(lane, group, right, middle) {
    const { attempts = group.attempt, next } = group.pending || {};
    const took = group.ended === null ? (attempts > 1 ? "" : "…") : length(group.ended - group.began);
    const due = next > Date.now() ? `, next in ${length(Math.ceil((next - Date.now()) / 1000) * 1000).replace(".0s", "s")}` : "";
    const text = [took, attempts > 1 ? `attempt ${attempts}${due}` : ""].filter(Boolean).join(" · ");
    const fits = right + 6 + text.length * 6.6 < this.box.clientWidth;
    const place = fits ? { x: right + 6 } : { x: right - 6, "text-anchor": "end" };
    if (fits || attempts > 1) lane.append(shape("text", { ...place, y: middle + 4, class: fits ? "axis" : "axis within" }, text));
  }

  // What came before the last attempt: the attempts that failed, and the waits between them.
  retries(lane, until, begin, middle, clip) {
    const left = Math.max(begin, clip[0]);
    const right = Math.min(this.x(until), clip[1]);
    if (right > left) lane.append(shape("rect", { x: left, y: middle - BAR / 2, width: right - left, height: BAR, rx: 2.5, class: "failed" }));
  }
}
