"use strict";
document.documentElement.classList.add("scripted");
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

const collator = new Intl.Collator("en", { numeric: true });

// Tables: a button in each head sorts; what has no value stays at the end.
const valueOf = (cell) => {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  if (text === "" || text === "–") return null;
  return Number.isNaN(Number(text)) ? text.toLowerCase() : Number(text);
};
const compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
};
for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = all("tbody tr", table).map((row) => [valueOf(row.cells[column]), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
      if (document.querySelector(`[data-count="${table.id}"]`)) filter(table.id);
    });
  });
}

// Filters of one table work together. The first rows that match are shown until all are asked for.
const filter = (id) => {
  const controls = all(`[data-filter="${id}"]`);
  const table = document.getElementById(id);
  const rows = all("tbody tr", table);
  const more = document.querySelector(`[data-more="${id}"]`);
  const most = table.dataset.most ? Number(table.dataset.most) : Infinity;
  let matches = 0;
  for (const row of rows) {
    const match = controls.every((control) => {
      const column = control.dataset.filterColumn;
      if (column) return !control.value || row.dataset[column] === control.value;
      const words = control.value.toLowerCase().split(/\s+/);
      return words.every((word) => row.textContent.toLowerCase().includes(word));
    });
    matches += match;
    row.hidden = !match || matches > most;
  }
  document.querySelector(`[data-count="${id}"]`).value = `${matches} of ${rows.length}`;
  document.querySelector(`[data-empty="${id}"]`).hidden = matches > 0;
  if (more) more.hidden = matches <= most;
};
for (const control of all("[data-filter]")) control.addEventListener("input", () => filter(control.dataset.filter));
for (const button of all("[data-more]")) {
  button.addEventListener("click", () => {
    delete document.getElementById(button.dataset.more).dataset.most;
    filter(button.dataset.more);
  });
}
for (const form of all("form.filters")) form.addEventListener("submit", (event) => event.preventDefault());

// Strategies: against which one, and which one alone.
for (const part of all("[data-compared]")) {
  const choice = part.querySelector("[data-baseline]");
  const bodies = all("tbody[data-base]", part);
  choice?.addEventListener("change", () => bodies.forEach((body) => { body.hidden = body.dataset.base !== choice.value; }));
  const buttons = all("[data-strategy]", part);
  let pressed = null;
  const pick = (name) => {
    for (const plot of all(".plot", part)) {
      plot.classList.toggle("picked", name !== null);
      for (const series of all(".series", plot)) series.classList.toggle("on", series.dataset.name === name);
    }
  };
  for (const button of buttons) {
    const name = button.dataset.strategy;
    button.addEventListener("pointerenter", () => pick(name));
    button.addEventListener("pointerleave", () => pick(pressed));
    button.addEventListener("click", () => {
      pressed = pressed === name ? null : name;
      buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.strategy === pressed)));
      pick(pressed);
    });
  }
}

// Charts: values under the pointer, or by the arrow keys.
for (const plot of all(".plot")) {
  const [x0, x1, y0, y1] = plot.dataset.scale.split(" ").map(Number);
  const names = plot.dataset.names ? JSON.parse(plot.dataset.names) : null;
  const xAt = (px) => { const x = x0 + ((px - 44) / 346) * (x1 - x0); return "log" in plot.dataset ? 10 ** x : x; };
  const yAt = (py) => y0 + ((204 - py) / 194) * (y1 - y0);
  const series = all(".series:not(.thin)", plot).map((each) => {
    const line = each.querySelector("polyline.line");
    const points = line ? line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number))
      : all("circle", each).map((dot) => [dot.cx.baseVal.value, dot.cy.baseVal.value]);
    return [each, new Map(points)];
  });
  const places = [...new Set(series.flatMap(([, points]) => [...points.keys()]))].sort((a, b) => a - b);
  const cursor = plot.querySelector(".cursor");
  const readout = plot.parentElement.querySelector(".readout");
  let at = -1;
  const show = (index) => {
    at = index;
    cursor.toggleAttribute("hidden", at < 0);
    if (at < 0) { readout.value = ""; return; }
    const px = places[at];
    cursor.setAttribute("d", `M${px} 10V204`);
    const picked = plot.classList.contains("picked");
    const said = series.filter(([each, points]) => points.has(px) && (!picked || each.classList.contains("on")))
      .map(([each, points]) => `${each.dataset.name} ${yAt(points.get(px)).toFixed(3)}`);
    const x = names ? names[Math.round(xAt(px)) - 1] : number.format("whole" in plot.dataset ? Math.round(xAt(px)) : xAt(px));
    readout.value = `${plot.dataset.x} ${x}: ${said.join(", ")}`;
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * 400;
    const near = places.reduce((best, place, n) => (Math.abs(place - px) < Math.abs(places[best] - px) ? n : best), 0);
    if (near !== at) show(near);
  });
  plot.addEventListener("pointerleave", () => show(-1));
  plot.addEventListener("blur", () => show(-1));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(Math.min(places.length - 1, Math.max(0, at + step)));
  });
}

// Overlays: the slider chooses the epoch, a press enlarges.
for (const gallery of all("[data-gallery]")) {
  const slider = gallery.querySelector("input[type=range]");
  if (!slider) continue;
  const epochs = slider.dataset.epochs.split(" ");
  const output = gallery.querySelector("output");
  slider.addEventListener("input", () => {
    const epoch = epochs[slider.value];
    output.value = epoch === slider.dataset.best ? `${epoch}, best` : epoch;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    for (const picture of all(".picture", gallery)) picture.hidden = picture.dataset.epoch !== epoch;
  });
}
const large = document.getElementById("large");
document.addEventListener("click", (event) => {
  const picture = event.target.closest(".picture");
  if (!picture) return;
  const from = picture.querySelector("img");
  const image = large.querySelector("img");
  image.src = from.src;
  image.alt = from.alt.replace(" Enlarge.", "");
  image.classList.toggle("upright", from.naturalWidth < 2 * from.naturalHeight);
  large.querySelector(".large-title").textContent = image.alt.split(":")[0];
  large.showModal();
});
large.addEventListener("click", (event) => { if (event.target === large) large.close(); });

// One image as every run sees it: its own pictures, shown again.
const side = document.querySelector("[data-side]");
if (side) {
  const choice = side.querySelector("select");
  const slider = side.querySelector("input");
  const place = side.querySelector(".pictures");
  const upTo = () => (slider ? Number(slider.dataset.epochs.split(" ")[slider.value]) : Infinity);
  const lay = () => {
    const figures = all("[data-gallery]").map((gallery) => {
      const from = all("[data-image]", gallery).find((each) => each.dataset.image === choice.value);
      const picture = from && all(".picture", from).filter((each) => Number(each.dataset.epoch) <= upTo()).pop();
      if (!picture) return null;
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const shown = picture.cloneNode(true);
      shown.hidden = false;
      const image = shown.querySelector("img");
      image.alt = `${gallery.dataset.gallery}, ${image.alt.replace("Image", "image")}`;
      caption.textContent = `${gallery.dataset.gallery}, epoch ${picture.dataset.epoch}`;
      figure.append(shown, caption);
      return figure;
    });
    place.replaceChildren(...figures.filter(Boolean));
    if (!place.children.length) place.textContent = "No run has a picture of this image that early.";
    if (!slider) return;
    side.querySelector("output").value = upTo();
    slider.setAttribute("aria-valuetext", `epoch ${upTo()}`);
  };
  choice.addEventListener("change", lay);
  slider?.addEventListener("input", lay);
  lay();
}

// Settings of two runs, where they differ.
const specs = document.getElementById("spec-data");
if (specs) {
  const settings = JSON.parse(specs.textContent);
  const selects = all("[data-spec]");
  const table = document.getElementById("spec-table");
  const cell = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const differ = () => {
    const [one, other] = selects.map((select) => settings[select.value]);
    const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((key) => one[key] !== other[key]);
    selects.forEach((select, n) => { table.tHead.rows[0].cells[n + 1].textContent = select.selectedOptions[0].text; });
    table.tBodies[0].replaceChildren(...keys.map((key) => {
      const row = document.createElement("tr");
      const head = cell("th", key);
      head.scope = "row";
      head.className = "first";
      row.append(head, cell("td", one[key] ?? "–"), cell("td", other[key] ?? "–"));
      return row;
    }));
    table.hidden = keys.length === 0;
    document.getElementById("spec-same").hidden = keys.length > 0;
  };
  if (selects[1].options.length > 1) {
    const plain = (select) => [...select.options].findIndex((option) => Object.keys(settings[option.value]).some((key) => key !== "seed" && settings[option.value][key] !== settings[selects[0].value][key]));
    selects[1].selectedIndex = Math.max(1, plain(selects[1]));
  }
  selects.forEach((select) => select.addEventListener("change", differ));
  differ();
}

// A command to the clipboard; where that is not allowed, it is selected.
for (const button of all("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// A link to a run opens it.
const open = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const details = target && target.closest("details");
  if (details && !details.open) {
    details.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", open);
open();
