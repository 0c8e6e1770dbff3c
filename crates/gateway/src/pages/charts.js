// Curves over the last minutes, drawn as SVG.

/** How far back they go, in seconds: a minute first, and more when there is more. */
const SPAN = 300;
const SVG_HEIGHT = 152;
const MARGIN = { left: 52, right: 8, top: 8, bottom: 18 };

/** The least of 1, 2 and 5 times a power of ten that is not below a value. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value * 0.999) ?? 10 * power;
}

/** A number in at most four characters and a prefix. */
function short(value) {
  if (value == null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  for (const [bound, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= bound) return `${(value / (unit === "k" ? 1e3 : bound)).toPrecision(3)} ${unit}`;
  }
  if (size === 0 || size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return size >= 10 ? value.toFixed(1) : value.toPrecision(2);
}

const rate = (value) => (value == null ? "–" : `${short(value)}/s`);

const digits = (value) => String(Number(value.toPrecision(3)));

/** A time in seconds, in the unit that suits it. */
function seconds(value) {
  if (value == null || Number.isNaN(value)) return "–";
  if (value >= 60) return `${(value / 60).toFixed(1)} min`;
  if (value >= 1) return `${digits(value)} s`;
  if (value >= 1e-3) return `${digits(value * 1e3)} ms`;
  return value ? `${digits(value * 1e6)} µs` : "0";
}

function bytes(value) {
  if (value == null) return "–";
  const unit = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  return `${unit ? digits(value / 2 ** (10 * unit)) : value} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** A chart of at most three curves: each has a name and reads its value, or null, from a point. */
class Chart {
  constructor(title, format, curves) {
    Object.assign(this, { title, format, curves });
    this.values = curves.map(() => make("span"));
    const sample = (nth) => draw("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" },
      draw("line", { x1: 1, x2: 25, y1: 5, y2: 5, class: `curve s${nth}` }));
    const legend = curves.map(([name], nth) => make("span", {}, sample(nth), `${name} `, this.values[nth]));
    this.svg = draw("svg", { role: "img", "aria-label": title });
    this.element = make("figure", { class: "chart" },
      make("figcaption", {}, make("b", {}, title), make("span", { class: "legend" }, legend)), this.svg);
    this.points = [];
    // So that its texts are as large as others whatever the width.
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  show(points) {
    this.points = points;
    const latest = points.at(-1);
    const told = this.curves.map(([name, read], nth) => {
      const text = this.format(latest ? read(latest) : null);
      this.values[nth].textContent = text;
      return `${name} ${text}`;
    });
    this.svg.setAttribute("aria-label", `${this.title} in the last minutes, now ${told.join(", ")}`);
    this.paint();
  }

  paint() {
    const width = Math.max(160, this.svg.clientWidth);
    const inner = { width: width - MARGIN.left - MARGIN.right, height: SVG_HEIGHT - MARGIN.top - MARGIN.bottom };
    const now = this.points.at(-1)?.at ?? 0;
    const age = now - (this.points[0]?.at ?? 0);
    const span = Math.min(SPAN, Math.max(1, Math.ceil(age / 60)) * 60);
    const seen = this.points.filter(({ at }) => at >= now - span);
    const most = ceiling(Math.max(0, ...seen.flatMap((point) => this.curves.map(([, read]) => read(point) ?? 0))));
    const x = (at) => MARGIN.left + inner.width * (1 - (now - at) / span);
    const y = (value) => MARGIN.top + inner.height * (1 - value / most);
    const lines = [0, 0.5, 1].map((share) => [
      draw("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(share * most), y2: y(share * most) }),
      draw("text", { x: MARGIN.left - 6, y: y(share * most) + 4, "text-anchor": "end" }, this.format(share * most).replace("/s", "")),
    ]);
    const times = [[MARGIN.left, "start", `${span / 60} min ago`], [width - MARGIN.right, "end", "now"]].map(([at, anchor, text]) =>
      draw("text", { x: at, y: SVG_HEIGHT - 3, "text-anchor": anchor }, text));
    const paths = this.curves.map(([, read], nth) => {
      let isDown = false;
      const steps = seen.map((point) => {
        const value = read(point);
        const step = value == null ? "" : `${isDown ? "L" : "M"}${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`;
        isDown = value != null;
        return step;
      });
      return draw("path", { class: `curve s${nth}`, d: steps.join("") });
    });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${SVG_HEIGHT}`);
    this.svg.replaceChildren(...lines.flat(), ...times, ...paths);
  }
}
