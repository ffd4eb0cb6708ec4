"use strict";
// Shared by the report and the items page. Texts enter the document as text nodes only.

const kData = JSON.parse(document.getElementById("data").textContent);

// el("td", {class: "number", onclick: f}, child, ...): children are nodes, texts, or nothing.
function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === "" || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

const kSvg = "http://www.w3.org/2000/svg";
function svg(name, attributes, ...children) {
  const node = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// A picture drawn by the program, as nodes. Parsed as XML: a script in it would not run.
function picture(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
  return document.importNode(parsed.documentElement, true);
}

const isNumber = (value) => typeof value === "number" && isFinite(value);
const fixed = (value, digits = 4) => (isNumber(value) ? value.toFixed(digits) : "–");
const signed = (value, digits = 4) => (isNumber(value) ? (value > 0 ? "+" : "") + value.toFixed(digits).replace("-", "−") : "–");
const small = (value) => (!isNumber(value) ? "–" : value < 0.0001 ? value.toExponential(0) : value.toPrecision(2));
const count = (value) => (isNumber(value) ? value.toLocaleString("en-US") : "–");

// A table whose heads sort: columns are {title, value(row), cell(row) -> node or text, number, first, kind(row), plain}.
// The third press brings the given order back. `state` keeps {column, direction} when a table is drawn again.
function sortableTable(caption, columns, rows, state, rowAttributes) {
  const body = el("tbody");
  const heads = columns.map((column, index) => {
    const head = el("th", {scope: "col", class: [column.number && "number", column.first && "first", column.headClass].filter(Boolean).join(" ") || null});
    if (column.plain) head.append(column.title);
    else head.append(el("button", {type: "button", onclick: () => sort(index), title: column.hint || null}, column.title));
    return head;
  });
  function ordered() {
    const column = columns.find((each) => each.title === state.column);
    if (!column) return rows;
    const values = new Map(rows.map((row) => [row, column.value(row)]));
    const empty = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);
    return [...rows].sort((a, b) => {
      const x = values.get(a), y = values.get(b);
      if (empty(x) || empty(y)) return empty(x) - empty(y);
      const order = isNumber(x) && isNumber(y) ? x - y : String(x).localeCompare(String(y), "zh-Hans-u-kn-true");
      return state.direction === "descending" ? -order : order;
    });
  }
  function draw() {
    body.replaceChildren(...ordered().map((row) => el("tr", rowAttributes ? rowAttributes(row, state.column !== undefined) : {},
      columns.map((column) => el(column.first ? "th" : "td",
        {scope: column.first ? "row" : null,
         class: [column.number && "number", column.first && "first", column.kind && column.kind(row)].filter(Boolean).join(" ") || null,
         style: column.style ? column.style(row, state.column !== undefined) : null},
        column.cell ? column.cell(row) : column.value(row))))));
    heads.forEach((head, index) => {
      if (columns[index].plain) return;
      head.setAttribute("aria-sort", columns[index].title === state.column ? state.direction : "none");
    });
  }
  function sort(index) {
    const title = columns[index].title, first = columns[index].number ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    if (state.column !== title) Object.assign(state, {column: title, direction: first});
    else if (state.direction === first) state.direction = second;
    else delete state.column, delete state.direction;
    draw();
  }
  draw();
  return el("table", {}, el("caption", {class: "hidden"}, caption), el("thead", {}, el("tr", {}, heads)), body);
}

const scrolled = (table, label) => el("div", {class: "scroll", role: "region", "aria-label": label, tabindex: "0"}, table);
