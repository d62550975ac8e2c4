/**
 * The live view of a report: one plain module, no dependency, no network, text by textContent only.
 *
 * `renderReport(el, report, actions)` draws a report (the JSON of report.schema.json) and may be called again on the same
 * element: focus, open folds, sorting and selection stay. The default export is an anywidget view of `panel.py`'s traits.
 * Sentences and pictures are those of `render/` in Python; tests/browser compares the two.
 *
 * actions (all optional): history: [{count, verdict}], goTo({execution, file, line}), apply(edits).
 */

// ---- spelling (render/spelling.py) ----------------------------------------------------------------------------------
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

function escapeCharacter(c) {
  if (c === "\n") return c;
  const code = c.codePointAt(0);
  const digits = (n) => code.toString(16).padStart(n, "0");
  return code < 0x100 ? `\\x${digits(2)}` : code < 0x10000 ? `\\u${digits(4)}` : `\\U${digits(8)}`;
}
const visible = (text) =>
  String(text ?? "").replaceAll("\r\n", "\n").replaceAll("\t", "    ").replace(HIDDEN, escapeCharacter);
function clip(text, limit) {
  const characters = [...text.slice(0, 2 * limit + 2)];
  return characters.length <= limit ? characters.join("") : characters.slice(0, limit - 1).join("") + "…";
}
const label = (text) => clip(visible(String(text ?? "").slice(0, 240)).replaceAll("\n", "⏎ "), 120);
const prose = (text) => clip(visible(String(text ?? "").slice(0, 2400).split(/\s+/).filter(Boolean).join(" ")), 1200);
function firstLine(code) {
  const [head, ...rest] = String(code ?? "").trim().split("\n");
  return label(head + (rest.length ? " …" : ""));
}
function codeLines(code) {
  const all = String(code ?? "").replace(/^\n+|\n+$/g, "").split("\n");
  const shown = all.slice(0, 12).map((line) => visible(line.slice(0, 400)));
  const indents = shown.filter((line) => line.trim()).map((line) => line.length - line.trimStart().length);
  const margin = indents.length ? Math.min(...indents) : 0;
  return [...shown.map((line) => clip(line.slice(margin), 200)), ...(all.length > 12 ? ["…"] : [])];
}
const trim = (digits) => {
  const short = digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
  return short === "-0" ? "0" : short;
};
/** A JSON number of the report: "NaN", "Infinity" and "-Infinity" are its spellings of what JSON has no number for. */
const value = (x) => (typeof x === "string" ? Number(x) : x);
function number(raw) {
  const x = value(raw);
  if (x === null || x === undefined) return "unknown";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "+Inf" : "-Inf";
  const [mantissa, tail] = x.toExponential(3).split("e");
  const exponent = Number(tail);
  if (exponent < -4 || exponent >= 6) return `${trim(mantissa)}e${exponent}`;
  return trim((exponent < 4 ? Number(x.toExponential(3)) : x).toFixed(Math.max(0, 3 - exponent)));
}
const amount = (n) => Number(n).toLocaleString("en-US");
const many = (n, noun) => `${amount(n)} ${noun}${n === 1 ? "" : "s"}`;
const digits = (x) => (x < 100 ? trim(x.toFixed(1)) : x.toFixed(0));
function memory(bytes) {
  let x = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (x < 999.5) return `${digits(x)} ${unit}`;
    x /= 1000;
  }
  return `${digits(x)} TB`;
}
function duration(raw) {
  const s = value(raw);
  if (!Number.isFinite(s)) return "an unknown time";
  return s >= 1 ? `${digits(s)} s` : s >= 1e-3 ? `${digits(s * 1000)} ms` : "under 1 ms";
}
function tensor({ dtype, shape, device }) {
  const sizes = shape.slice(0, 8).join(", ") + (shape.length > 8 ? ", …" : "");
  return `${label(dtype)}${shape.length ? `[${sizes}]` : ""}, ${label(device)}`;
}
const index = (at) => (at.length ? `[${at.slice(0, 8).join(", ")}${at.length > 8 ? ", …" : ""}]` : "");
const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
const joined = (words) => words.filter(Boolean).join(", ");
const isAre = (n) => (n === 1 ? "is" : "are");

// ---- wording (render/wording.py) ------------------------------------------------------------------------------------
const HEADINGS = {
  now: "Non-finite now", chain: "How it got there", why: "Why", rewrite: "Write instead", operands: "What it was given",
};
const EVENTS = { bound: "", mutated: "changed in place", read: "read here", introduced: "came in", external: "outside" };
const MEASURED = { at_op: "", after: "measured after the operation", sample: "measured on a sample" };

const kinds = (c) => [[c.nan, "NaN"], [c.posinf, "+Inf"], [c.neginf, "-Inf"]].filter(([n]) => n);
const kindNames = (c) => listed(kinds(c).map(([, kind]) => kind)) || "non-finite";
function what(finding) {
  const inside = finding.scope === "local" && finding.function ? ` in ${label(finding.function)}()` : "";
  return `${label(finding.variable)}${inside} ${finding.counts.size === 1 ? "is" : "holds"} ${kindNames(finding.counts)}`;
}
function howMany(counts) {
  const found = kinds(counts);
  const shown = found.length === 1 ? amount(found[0][0]) : listed(found.map(([n, kind]) => `${amount(n)} ${kind}`));
  return `${shown || "some"} of ${amount(counts.size)} elements`;
}
const countWords = (c) => kinds(c).map(([n, kind]) => `${kind} ${amount(n)}/${amount(c.size)}`);
const briefCounts = (c) => countWords(c).join(", ") || "non-finite";
function about(finding) {
  const first = index(finding.first_index);
  return joined([howMany(finding.counts), tensor(finding.tensor), first && `first at ${first}`]);
}
const cell = (execution) => `In [${execution?.count ?? " "}]`;
const place = (p) => `${!p.execution && p.file ? label(p.file) : cell(p.execution)}, line ${p.line}`;
const shortPlace = (p) =>
  !p.execution && p.file ? `${label(p.file.replaceAll("\\", "/").split("/").pop())}:${p.line}` : `${cell(p.execution)}:${p.line}`;
const occurrence = (origin) => (origin.occurrence > 1 ? `step ${amount(origin.occurrence)}` : "");
const since = (finding, report) =>
  finding.origin
    ? `since ${joined([place(finding.origin), occurrence(finding.origin)])}`
    : `found after ${cell(report.execution)}`;
function made(result) {
  const found = result ? kinds(result) : [];
  if (!found.length) return "made it";
  if (result.size === 1) return `made ${found[0][1]}`;
  const total = result.size ? ` of ${amount(result.size)} elements` : "";
  return `made ${listed(found.map(([n, kind]) => `${amount(n)} ${kind}`))}${total}`;
}
function originCore(origin) {
  const native = origin.native_op && origin.native_op !== origin.op ? ` (${label(origin.native_op)})` : "";
  if (origin.kind === "introduced") return `non-finite where it came in${native}`;
  if (origin.kind === "external") return `made outside the code that numguard sees${native}`;
  if (origin.kind === "unknown") return "numguard did not see which operation made it";
  if (origin.phase === "backward") {
    const by = origin.backward;
    const asked = by ? `, asked for by ${label(by.code)} in ${place(by)}` : "";
    return `its gradient, of ${label(origin.op)}${native}, ${made(origin.result)}${asked}`;
  }
  if (origin.phase === "update") return `the optimizer's update${native} ${made(origin.result)}`;
  return `${label(origin.op)}${native} ${made(origin.result)}`;
}
const originSentence = (origin) =>
  (origin.confidence === "likely" && origin.kind === "op" ? "most likely " : "") + originCore(origin);
function operand(s) {
  const facts = [tensor(s)];
  const total = s.size ? ` of ${amount(s.size)}` : "";
  const measured = s.min !== null && s.max !== null;
  if (measured) facts.push(s.min === s.max ? number(s.min) : `${number(s.min)} to ${number(s.max)}`);
  else if (s.absmax !== null) facts.push(`magnitude up to ${number(s.absmax)}`);
  if (s.zeros) facts.push(`${amount(s.zeros)}${total} ${isAre(s.zeros)} 0`);
  for (const [n, kind] of kinds(s)) facts.push(`${amount(n)}${total} ${isAre(n)} ${kind}`);
  if (s.min === null && s.absmax === null && !kinds(s).length) facts.push("values not measured");
  else if (MEASURED[s.measured]) facts.push(MEASURED[s.measured]);
  return (s.variable ? `${label(s.variable)}: ` : "") + facts.join("; ");
}
function stepNote(step) {
  const states = { finite: "finite", nonfinite: "non-finite", unknown: "not checked" };
  const state = step.state === "nonfinite" && step.counts ? briefCounts(step.counts) : states[step.state];
  const note = joined([state, EVENTS[step.event], step.stale && "its cell was edited or run again since"]);
  return step.variable ? `${label(step.variable)}: ${note}` : note;
}
const historyPoints = (history) =>
  history.step.map((s, i) => [s, value(history.absmax[i])]).filter(([, a]) => a !== undefined);
function growth(history) {
  const points = historyPoints(history);
  const finite = points.filter(([, a]) => Number.isFinite(a));
  const name = `largest |${label(history.variable)}| per step`;
  if (finite.length < 2) return `${name}: too few finite points`;
  const [[s0, a0], [s1, a1]] = [finite[0], finite[finite.length - 1]];
  const text = `${name}: ${number(a0)} at step ${amount(s0)}, ${number(a1)} at step ${amount(s1)}`;
  const beyond = points.find(([s, a]) => !Number.isFinite(a) && s > s0);
  return beyond ? `${text}, non-finite at step ${amount(beyond[0])}` : text;
}
function exponentsSentence(s) {
  const { first, counts } = s.exponents;
  const filled = counts.flatMap((n, i) => (n ? [first + i] : []));
  const total = counts.reduce((a, b) => a + b, 0);
  const text = `binary exponents of ${many(total, "value")}, ${filled[0]} to ${filled[filled.length - 1]}`;
  const zeros = s.zeros ? `; ${amount(s.zeros)} ${isAre(s.zeros)} 0` : "";
  return (s.variable ? `${label(s.variable)}: ` : "") + text + zeros;
}
const verified = (rewrite) =>
  (rewrite.verified ? "verified" : "not verified") + (rewrite.note ? `: ${prose(rewrite.note)}` : "");
function intendedLine(findings) {
  const shown = findings.slice(0, 4).map((f) => `${label(f.variable)} (${kindNames(f.counts)}, ${label(f.intended)})`);
  const rest = findings.length > 4 ? ` and ${findings.length - 4} more` : "";
  return `${amount(findings.length)} intended: ${shown.join(", ")}${rest}`;
}
function fineSteps(steps) {
  const cells = [...new Set([...steps].reverse().map((s) => (s.execution ? cell(s.execution) : label(s.file || "?"))))];
  return `${many(steps.length, "earlier step")} (${cells.slice(0, 6).join(", ")}${cells.length > 6 ? ", …" : ""})`;
}
function finiteLine(report) {
  const { tensors, bytes } = report.checked;
  const state = report.findings.length ? "checked" : "finite";
  const line = `numguard: ${many(tensors, "tensor")} ${state} (${memory(bytes)}) in ${duration(report.seconds.numguard)}`;
  return report.findings.length ? `${line}; ${intendedLine(report.findings)}` : line;
}
function blindSpots(report) {
  const of = (head, pairs) =>
    pairs.length
      ? [`${head}: ${pairs.slice(0, 8).map(([a, b]) => `${label(a)} (${label(b)})`).join(", ")}` +
          (pairs.length > 8 ? ` and ${pairs.length - 8} more` : "")]
      : [];
  return [
    ...of("not traced", report.execution.not_traced.map((n) => [n.what, n.reason])),
    ...of("not checked", report.checked.skipped.map((s) => [s.variable, s.reason])),
  ];
}
const ending = (report) =>
  ({ error: "the cell ended with an error", interrupted: "the cell was interrupted" })[report.execution.status] || "";
function nextStep(report) {
  const alarms = report.findings.filter((f) => f.intended === null);
  if (report.mode !== "watch" || !alarms.length || alarms[0].origin?.confidence === "exact") return "";
  return "for the exact operation, line and step: put %%numguard on top of the cell and run it again";
}
const furtherElements = (finding) => finding.more && `and ${many(finding.more, "further element")} of the same list`;

// ---- the chain (render/chain.py) and the guilty expression (render/guilty.py) ---------------------------------------
const samePlace = (a, b) =>
  a.line === b.line && a.file === b.file && a.execution?.count === b.execution?.count &&
  a.execution?.cell_id === b.execution?.cell_id;

function chainOf({ lineage, origin }) {
  const own = lineage.map((s, i) => (origin && s.state === "nonfinite" && samePlace(s, origin) ? i : -1)).filter((i) => i >= 0);
  const last = lineage.reduce((at, s, i) => (s.state === "nonfinite" ? i + 1 : at), 0);
  const at = own.length ? own[own.length - 1] : last;
  const before = lineage.slice(0, at);
  const rest = lineage.slice(at);
  const rows = before.slice(0, 12).map((step) => ({ mark: step.state, step, at: step, notes: [stepNote(step)] }));
  if (origin) {
    const mine = rest.length && samePlace(rest[0], origin) ? [rest.shift()] : [];
    const note = joined([`origin: ${originSentence(origin)}`, occurrence(origin)]);
    rows.push({ mark: "origin", step: mine[0], at: origin, notes: [note, ...mine.map(stepNote)] });
  }
  rows.push(...rest.slice(0, 3).map((step) => ({ mark: step.state, step, at: step, notes: [stepNote(step)] })));
  return { rows, skipped: Math.max(0, before.length - 12), folded: rest.slice(3) };
}

function spanText(report, { span, execution }) {
  if (span.text || !execution || execution.count !== report.execution.count) return span.text || "";
  const line = report.execution.source.split("\n")[span.line - 1] ?? "";
  const end = span.end_line === span.line ? span.end_column : undefined;
  return [...line].slice(span.column, end).join("");
}
function guiltyLines(report, origin) {
  const lines = codeLines(origin.code).map((text) => [text, 0, 0]);
  const text = origin.span ? visible(spanText(report, origin).split("\n")[0].trimEnd()) : "";
  if (!text) return lines;
  const isWord = (c) => c !== undefined && /[\p{L}\p{N}_]/u.test(c);
  const found = [];
  lines.forEach(([line], row) => {
    for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
      const cut = (isWord(line[at - 1]) && isWord(text[0])) || (isWord(line[at + text.length]) && isWord(text[text.length - 1]));
      if (!cut && [...line.slice(0, at)].length <= origin.span.column) found.push([row, at]);
    }
  });
  if (found.length) {
    const row = origin.span.line > origin.line ? Math.max(...found.map(([r]) => r)) : found[0][0];
    const start = Math.max(...found.filter(([r]) => r === row).map(([, at]) => at));
    lines[row] = [lines[row][0], start, start + text.length];
  }
  return lines;
}

// ---- elements -------------------------------------------------------------------------------------------------------
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, v] of Object.entries(attributes ?? {})) {
    if (v === null || v === undefined || v === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), v);
    else element.setAttribute(name, v === true ? "" : String(v));
  }
  // Whatever is neither an element nor text (null, false, 0: a part that does not apply) is left out.
  element.append(...children.flat(3).filter((c) => c instanceof Node || (typeof c === "string" && c)));
  return element;
}
const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const quiet = (...children) => h("div", { class: "ng-q" }, ...children);
const code = (...children) => h("code", { dir: "ltr" }, ...children);
const section = (head, ...children) =>
  h("div", { class: "ng-section" }, h("div", { class: "ng-h", role: "heading", "aria-level": 3 }, h("b", null, head)), ...children);

// ---- pictures (render/pictures.py) ----------------------------------------------------------------------------------
const WIDTH = 290;
const svg = (height, sentence, ...children) =>
  s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: "img", "aria-label": sentence }, ...children);

function growthPicture(history) {
  const all = historyPoints(history);
  const points = all.filter(([, a]) => Number.isFinite(a)).map(([step, a]) => [step, Math.abs(a)]);
  if (points.length < 2) return null;
  const positive = points.map(([, a]) => a).filter((a) => a > 0);
  const low = positive.length ? Math.min(...positive) : 0;
  const high = Math.max(...points.map(([, a]) => a));
  const isLog = low > 0 && high / low > 100;
  const [first, last] = [history.step[0], history.step[history.step.length - 1]];
  const x = (step) => 2 + ((WIDTH - 14) * (step - first)) / Math.max(1, last - first);
  const part = (a) => (isLog ? Math.log(Math.max(a, low) / low) / Math.log(high / low) : high ? a / high : 0);
  const path = points.map(([step, a], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${(40 - 26 * part(a)).toFixed(1)}`).join(" ");
  const beyond = (all.find(([, a]) => !Number.isFinite(a)) ?? [last])[0];
  return svg(46, growth(history),
    s("path", { d: path, class: "ng-curve", fill: "none" }),
    s("line", { x1: x(beyond), x2: x(beyond), y1: 2, y2: 40, class: "ng-limit" }),
    s("text", { x: 2, y: 10 }, `max |${label(history.variable)}| per step${isLog ? ", log scale" : ""}`),
    s("text", { x: Math.min(x(beyond), WIDTH - 2) - 4, y: 38, "text-anchor": "end" }, amount(beyond)));
}

function power(exponent) {
  const tens = exponent * Math.log10(2);
  if (tens >= -4 && tens < 6) return number(2 ** exponent);
  const whole = Math.floor(tens);
  return `${(10 ** (tens - whole)).toFixed(1).replace(/\.0$/, "")}e${whole}`;
}

function exponentsPicture(summary) {
  const counts = [...(summary.exponents?.counts ?? [])];
  if (!counts.some(Boolean)) return null;
  while (!counts[counts.length - 1]) counts.pop();
  const lead = counts.findIndex(Boolean);
  const first = summary.exponents.first + lead;
  const used = counts.slice(lead);
  const group = Math.ceil(used.length / 32);
  const bars = [];
  for (let i = 0; i < used.length; i += group) bars.push(used.slice(i, i + group).reduce((a, b) => a + b, 0));
  const left = summary.zeros ? 34 : 2;
  const pitch = (WIDTH - left - 4) / Math.max(8, bars.length);
  const top = Math.max(...bars, summary.zeros || 0);
  const bar = (at, width, n, cls) => {
    const height = n ? Math.max(1.5, (30 * n) / top) : 0;
    return s("rect", { x: at, y: 44 - height, width, height, class: cls });
  };
  return svg(58, exponentsSentence(summary),
    bars.map((n, i) => bar(left + i * pitch, Math.max(1, pitch * 0.78), n, "ng-bar")),
    summary.zeros
      ? [s("rect", { x: 0, y: 12, width: 26, height: 32, class: "ng-zone" }), bar(6, 14, summary.zeros, "ng-zero"),
         s("text", { x: 10, y: 55 }, "0")]
      : null,
    s("text", { x: left, y: 55 }, power(first)),
    bars.length > 5 ? s("text", { x: left + bars.length * pitch, y: 55, "text-anchor": "end" }, power(first + used.length)) : null);
}

// ---- the view -------------------------------------------------------------------------------------------------------
const GLYPHS = { nonfinite: "✕", origin: "●", finite: "✓", unknown: "?" };
const FILTER_ABOVE = 10; // rows
const ROWS_LIMIT = 500; // rows drawn at once; the filter reaches the others
const STRIP_LIMIT = 40;
const views = new WeakMap();

/** Draw `report` into `el`, or draw it again. Never throws: what cannot be drawn is said in words. */
export function renderReport(el, report, actions = {}) {
  let view = views.get(el);
  if (!view) {
    const status = h("div", { role: "status" });
    const body = h("div", null);
    const said = h("div", { role: "status", class: "ng-hidden" });
    const strip = h("div", null);
    el.replaceChildren(h("div", { class: "jp-Numguard", role: "region", "aria-label": "numguard report" }, strip, status, body, said));
    view = { strip, status, body, said, open: new Map(), sort: null, filter: "", selected: null };
    views.set(el, view);
  }
  const draw = () => {
    const focused = focusOf(view.body);
    try {
      drawReport(view, report, actions, draw);
    } catch (error) {
      view.status.className = "ng-calm";
      view.status.replaceChildren(`This report cannot be shown: ${label(error.message)}`);
      view.body.replaceChildren();
    }
    focused();
  };
  draw();
}

/** Remember what has the focus; the function returned gives it back to the element that took its place. */
function focusOf(body) {
  const active = body.getRootNode().activeElement;
  const key = active && body.contains(active) ? active.dataset.ng : undefined;
  const selection = active?.tagName === "INPUT" ? [active.selectionStart, active.selectionEnd] : null;
  return () => {
    const next = key && [...body.querySelectorAll("[data-ng]")].find((e) => e.dataset.ng === key);
    if (!next) return;
    next.focus({ preventScroll: true });
    if (selection) next.setSelectionRange(...selection);
  };
}

function setText(element, className, ...children) {
  // A live region speaks when its text changes: the element stays, and is left alone where it says the same.
  const fresh = h("div", null, ...children);
  element.className = className;
  if (element.textContent !== fresh.textContent) element.replaceChildren(...fresh.childNodes);
}

function drawReport(view, report, actions, redraw) {
  view.strip.replaceChildren(...historyStrip(actions.history ?? []));
  if (!report?.execution) {
    setText(view.status, "ng-calm", "No report yet. Put %%numguard on top of a cell and run it.");
    view.body.replaceChildren();
    return;
  }
  const alarms = report.findings.filter((f) => !f.intended);
  const intended = report.findings.filter((f) => f.intended);
  const notes = [...blindSpots(report), ending(report), nextStep(report)].filter(Boolean).map((line) => quiet(line));
  if (!alarms.length) {
    setText(view.status, "ng-calm", h("span", { class: "ng-ok", "aria-hidden": true }, "✓ "), finiteLine(report));
    view.body.replaceChildren(...(notes.length ? [h("div", { class: "ng-notes" }, notes)] : []), copyButtons(view, report, null));
    return;
  }
  const finding = alarms.find((f) => keyOf(f) === view.selected) ?? alarms[0];
  setText(view.status, "ng-status", h("b", { class: "ng-x" }, `✕ ${what(finding)}`), ` ${since(finding, report)}`, quiet(about(finding)));
  const fold = foldsOf(view);
  view.body.replaceChildren(
    h("div", { class: "ng-columns" },
      h("div", { class: "ng-column" }, table(view, alarms, finding, intended, fold, redraw), chain(report, finding, actions, fold)),
      h("div", { class: "ng-column" }, why(view, finding, actions))),
    ...(notes.length ? [h("div", { class: "ng-notes" }, notes)] : []),
    hints(view, finding),
    copyButtons(view, report, finding));
}

/** `fold(key, summary, ...)`: a details element whose state outlives drawing again. */
const foldsOf = (view) => (key, summary, ...children) => {
  const details = h("details", { open: view.open.get(key) ?? false }, h("summary", { class: "ng-q", "data-ng": `fold ${key}` }, summary), ...children);
  details.addEventListener("toggle", () => view.open.set(key, details.open));
  return details;
};

/** Two functions may have a local of the same name. */
const keyOf = (finding) => `${finding.scope} ${finding.function} ${finding.variable}`;

function historyStrip(history) {
  if (history.length < 2) return [];
  const items = history.slice(-STRIP_LIMIT).map(({ count, verdict }) => {
    const words = `In [${count ?? " "}]: ${verdict === "nonfinite" ? "non-finite" : "finite"}`;
    return h("li", { class: verdict === "nonfinite" ? "ng-nonfinite" : "ng-finite", title: words }, h("span", { class: "ng-hidden" }, words));
  });
  return [h("ol", { class: "ng-strip", "aria-label": "Executions, oldest first" }, items)];
}

function sorted(alarms, sort) {
  if (!sort) return alarms;
  const share = ({ counts: c }) => (c.nan + c.posinf + c.neginf) / Math.max(1, c.size);
  const byName = (a, b) => a.variable.localeCompare(b.variable, "en", { numeric: true });
  const compare = sort.column === "variable" ? byName : (a, b) => share(a) - share(b) || byName(b, a);
  return [...alarms].sort((a, b) => sort.direction * compare(a, b));
}

function table(view, alarms, selected, intended, fold, redraw) {
  const header = (column, text) => {
    const direction = view.sort?.column === column ? view.sort.direction : 0;
    const turn = () => {
      view.sort = direction === -1 ? null : { column, direction: direction === 1 ? -1 : 1 };
      redraw();
    };
    const arrow = direction && h("span", { "aria-hidden": true }, direction === 1 ? " ▲" : " ▼");
    return h("th", { scope: "col", "aria-sort": direction ? (direction === 1 ? "ascending" : "descending") : "none" },
      h("button", { class: "ng-plain", type: "button", "data-ng": `sort ${column}`, onclick: turn }, text, arrow));
  };
  const wanted = view.filter.trim().toLowerCase();
  const found = sorted(alarms, view.sort).filter((f) => f.variable.toLowerCase().includes(wanted));
  const rows = found.slice(0, ROWS_LIMIT).map((f) => {
    const select = () => {
      view.selected = keyOf(f);
      redraw();
    };
    const aliases = f.aliases.length && `also ${f.aliases.slice(0, 4).map(label).join(", ")}`;
    const name = h("button", { class: "ng-plain", type: "button", "data-ng": `variable ${keyOf(f)}`, onclick: select }, code(label(f.variable)));
    return h("tr", { "aria-current": f === selected && alarms.length > 1 },
      h("td", null, h("div", { class: "ng-name" }, h("span", { class: "ng-x", "aria-hidden": true }, "✕ "), name),
        h("div", { class: "ng-q ng-sub" }, joined([tensor(f.tensor), aliases, furtherElements(f)]))),
      h("td", null, countCells(f.counts)));
  });
  const filter = alarms.length > FILTER_ABOVE && h("input", {
    type: "search", placeholder: `Filter ${amount(alarms.length)} variables`, "aria-label": "Filter the variables", "data-ng": "filter",
    oninput: (event) => {
      view.filter = event.target.value;
      redraw();
    },
  });
  if (filter) filter.value = view.filter;
  return section(HEADINGS.now, filter,
    h("div", rows.length > FILTER_ABOVE ? { class: "ng-scroll", tabindex: 0, role: "group", "aria-label": HEADINGS.now, "data-ng": "rows" } : null,
      h("table", { class: "ng-table" },
        h("thead", null, h("tr", null, header("variable", "Variable"), header("share", "Non-finite"))), h("tbody", null, rows))),
    found.length > rows.length && quiet(`and ${found.length - rows.length} more`),
    !found.length && quiet("no variable with this in its name"),
    intended.length && fold("intended", intendedLine(intended),
      h("ul", { class: "ng-list ng-q" }, intended.slice(0, ROWS_LIMIT).map((f) =>
        h("li", null, code(label(f.variable)), ` ${briefCounts(f.counts)}: ${label(f.intended)}`)))));
}

const countCells = (c) => {
  const words = countWords(c);
  if (!words.length) return "non-finite";
  return words.flatMap((word, i) => [i ? ", " : null, h("span", { class: "ng-count" }, word)]);
};

function chain(report, finding, actions, fold) {
  const { rows, skipped, folded } = chainOf(finding);
  if (!rows.length) return null;
  const link = (at) =>
    actions.goTo
      ? h("button", { class: "ng-plain ng-at", type: "button", "data-ng": `go ${shortPlace(at)}`, onclick: () => actions.goTo(at) }, shortPlace(at))
      : h("span", { class: "ng-at" }, shortPlace(at));
  const items = rows.flatMap((row) => {
    const isOrigin = row.mark === "origin";
    const text = isOrigin
      ? guiltyLines(report, finding.origin).flatMap(([line, a, b], i) => [
          (i ? "\n" : "") + line.slice(0, a), b > a && h("b", { class: "ng-g" }, line.slice(a, b)), line.slice(b)])
      : [firstLine(row.step.code)];
    const item = h("li", { class: `ng-${row.mark}` },
      h("span", { class: "ng-dot", "aria-hidden": true }, GLYPHS[row.mark]),
      h("div", { class: "ng-l" }, code(text), " ", link(row.at)),
      row.notes.map((note, i) => (isOrigin && i === 0 ? originNote(note) : quiet(note))),
      isOrigin && originFacts(finding.origin));
    return isOrigin && skipped ? [h("li", { class: "ng-gap" }, quiet(`… ${skipped} more`)), item] : [item];
  });
  if (folded.length) {
    const steps = folded.slice(0, 50).map((step) => h("li", null, code(firstLine(step.code)), " ", link(step), `, ${stepNote(step)}`));
    items.push(h("li", { class: "ng-gap" }, fold(`steps ${keyOf(finding)}`, fineSteps(folded), h("ul", { class: "ng-list ng-q" }, steps))));
  }
  return section(HEADINGS.chain, h("ol", { class: "ng-chain" }, items),
    finding.history && h("div", { class: "ng-grown" }, quiet(growth(finding.history)), growthPicture(finding.history)));
}

const originNote = (note) => h("div", { class: "ng-made" }, h("b", { class: "ng-x" }, "origin"), note.slice("origin".length));

function originFacts(origin) {
  const items = origin.operands.slice(0, 8).map(operand);
  items.push(...origin.called_from.map((f) => `called from ${place(f)}: ${firstLine(f.code)}`));
  return items.length ? h("ul", { class: "ng-list ng-q" }, items.map((item) => h("li", null, item))) : null;
}

function exponents(finding) {
  for (const summary of finding.origin?.operands ?? []) {
    const picture = exponentsPicture(summary);
    if (picture) return h("div", null, quiet(exponentsSentence(summary)), picture);
  }
  return null;
}

function why(view, finding, actions) {
  const parts = finding.diagnoses.slice(0, 3).flatMap((d, i) => {
    const name = `${label(d.rule)} ${label(d.rule_name)}`;
    const isPage = /^https?:\/\//.test(d.docs);
    const rule = isPage ? h("a", { href: d.docs, target: "_blank", rel: "noopener noreferrer", "data-ng": `docs ${i}` }, name) : name;
    return [
      section(HEADINGS.why, h("b", null, label(d.category_name)), " ", h("span", { class: "ng-chip" }, label(d.category)), " ",
        h("span", { class: "ng-chip" }, rule), [d.evidence, d.advice].filter(Boolean).map((t) => h("p", null, prose(t))),
        i === 0 && exponents(finding)),
      d.rewrite && rewrite(view, d.rewrite, actions, i),
    ];
  });
  if (!parts.length) {
    const picture = exponents(finding);
    return picture ? [section(HEADINGS.operands, picture)] : [];
  }
  return parts;
}

function rewrite(view, advice, actions, i) {
  const lines = [
    ...codeLines(advice.before).map((line) => h("span", { class: "ng-before" }, `- ${line}\n`)),
    ...codeLines(advice.after).map((line) => h("span", { class: "ng-after" }, `+ ${line}\n`)),
  ];
  const glyph = h("span", { class: advice.verified ? "ng-ok" : "ng-q", "aria-hidden": true }, advice.verified ? "✓ " : "? ");
  const apply = actions.apply && advice.edits.length &&
    h("button", { class: "ng-main", type: "button", "data-ng": `apply ${i}`, onclick: () => actions.apply(advice.edits) }, "Apply…");
  return section(HEADINGS.rewrite, h("pre", { class: "ng-diff", dir: "ltr" }, lines), quiet(glyph, verified(advice)),
    h("div", { class: "ng-buttons" }, apply, copyButton(view, `rewrite ${i}`, "Copy", () => advice.after)));
}

// ---- hints and copies -----------------------------------------------------------------------------------------------
function hints(view, finding) {
  const command = (key, text) =>
    h("button", { class: "ng-plain", type: "button", title: "Copy this command", "data-ng": key, onclick: () => copy(view, text) }, code(label(text)));
  const rule = finding.diagnoses[0]?.rule;
  return h("div", { class: "ng-notes ng-q" },
    rule && ["The rule in full: ", command("explain", `%numguard explain ${rule}`), ". "],
    "Meant so: ", command("mute", `%numguard mute ${finding.variable}`), ".");
}

const copyButton = (view, key, text, content) =>
  h("button", { type: "button", "data-ng": `copy ${key}`, onclick: () => copy(view, content()) }, text);

const copyButtons = (view, report, finding) =>
  h("div", { class: "ng-actions" },
    finding && copyButton(view, "markdown", "Copy Markdown", () => toMarkdown(report, finding)),
    copyButton(view, "json", "Copy JSON", () => JSON.stringify(report, null, 1)));

async function copy(view, text) {
  view.said.textContent = (await toClipboard(text)) ? "Copied." : "The browser did not allow copying.";
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard API outside a secure context (plain http on another host): the old way, with a selection.
    const before = document.activeElement;
    const area = h("textarea", { class: "ng-hidden", "aria-hidden": true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

/** A finding as Markdown, for an issue or a chat: the user's text only in code, so that it formats nothing. */
export function toMarkdown(report, finding) {
  const plain = (text) => text.replace(/[\\`*_{}[\]<>#|~!$]/g, "\\$&").replace(/@/g, "&#64;");
  const fence = (language, lines) => {
    const longest = Math.max(2, ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map((ticks) => ticks.length)));
    const ticks = "`".repeat(longest + 1);
    return `${ticks}${language}\n${lines.join("\n")}\n${ticks}`;
  };
  const out = [`**${plain(what(finding))}** ${plain(since(finding, report))} (${plain(about(finding))})`];
  const { origin } = finding;
  if (origin) {
    out.push(fence("python", codeLines(origin.code)));
    out.push([`origin: ${joined([originSentence(origin), occurrence(origin)])}`, ...origin.operands.slice(0, 8).map(operand)]
      .map((line) => `- ${plain(line)}`).join("\n"));
  }
  for (const d of finding.diagnoses.slice(0, 3)) {
    out.push(`**${HEADINGS.why}:** ${plain(`${label(d.category_name)} (${label(d.category)}), ${label(d.rule)} ${label(d.rule_name)}`)}`);
    out.push(...[d.evidence, d.advice].filter(Boolean).map((t) => plain(prose(t))));
    if (d.rewrite) {
      const { before, after } = d.rewrite;
      out.push(fence("diff", [...codeLines(before).map((l) => `- ${l}`), ...codeLines(after).map((l) => `+ ${l}`)]), plain(verified(d.rewrite)));
    }
  }
  return out.join("\n\n") + "\n";
}

// ---- anywidget ------------------------------------------------------------------------------------------------------
function render({ model, el }) {
  const draw = () => renderReport(el, model.get("report"), { history: model.get("history") });
  draw();
  model.on("change:report", draw);
  model.on("change:history", draw);
  return () => {
    model.off("change:report", draw);
    model.off("change:history", draw);
  };
}

export default { render };
