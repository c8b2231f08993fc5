// A list of any length of which only the rows in sight exist.

const ROW_PX = 26;
const SPARE = 12;
const HEIGHT_PX_MAX = 12_000_000; // browsers give up on taller boxes

export class Window {
  constructor(box, draw) {
    this.box = box;
    this.draw = draw;
    this.sizer = document.createElement("div");
    this.sizer.className = "sizer";
    this.box.replaceChildren(this.sizer);
    this.count = 0;
    this.at = -1;
    this.drawn = new Map();
    this.box.addEventListener("scroll", () => this.render(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.render()).observe(this.box);
  }

  // Show this many rows; those in sight are drawn anew.
  show(count) {
    const atEnd = this.count > 0 && this.box.scrollTop + this.box.clientHeight >= this.sizer.offsetHeight - ROW_PX;
    this.count = count;
    this.sizer.style.height = `${Math.min(count * ROW_PX, HEIGHT_PX_MAX)}px`;
    this.box.style.height = `${count * ROW_PX + 2}px`; // its style bounds it
    this.box.setAttribute("aria-rowcount", count);
    this.forget();
    if (atEnd && this.box.scrollTop > 0) this.box.scrollTop = this.box.scrollHeight;
    this.render();
  }

  forget() {
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
  }

  render() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - SPARE);
    const last = Math.min(this.count, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW_PX) + SPARE);
    for (const [number, row] of this.drawn) {
      if (number < first || number >= last) {
        row.remove();
        this.drawn.delete(number);
      }
    }
    for (let number = first; number < last; number++) {
      if (this.drawn.has(number)) continue;
      const row = this.draw(number);
      row.style.top = `${number * ROW_PX}px`;
      row.setAttribute("aria-rowindex", number + 1);
      row.classList.toggle("at", number === this.at);
      this.drawn.set(number, row);
      this.sizer.append(row);
    }
  }

  go(number) {
    this.at = Math.min(Math.max(number, 0), this.count - 1);
    const top = this.at * ROW_PX;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + ROW_PX > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW_PX - this.box.clientHeight;
    this.forget();
    this.render();
  }

  key(event) {
    const page = Math.floor(this.box.clientHeight / ROW_PX) - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.count, End: this.count };
    if (event.key in steps) {
      event.preventDefault();
      this.go(this.at + steps[event.key]);
    } else if (event.key === "Enter" && this.at >= 0) this.drawn.get(this.at)?.click();
  }
}
