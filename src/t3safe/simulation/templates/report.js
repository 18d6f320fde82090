"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, props, ...children) => {
    const made = Object.assign(document.createElement(tag), props);
    made.append(...children);
    return made;
  };
  const swatch = (letter) => make("span", { className: "sw f-" + (letter === "." ? "calm" : letter) });
  const PAGE = 25;
  const state = { query: "", fates: new Set(), shown: PAGE, night: -1 };

  // Light and dark: the system's choice until a person makes one.
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const named = (version) => data.releases[version] ? `${version} (${data.releases[version]})` : version;

  // What is searched: everything that is known of a night.
  const texts = data.nights.map((day, n) => data.runs.map((run) => {
    const night = run.nights[n];
    return [day, run.name, named(night.tag), named(night.version), night.outcome, ...night.lines, ...night.happened,
      ...night.reasons.map((found) => found[0] + " " + found[1].join(" "))].join("\n");
  }));
  const lowered = texts.map((found) => found.join("\n").toLowerCase());

  const matches = (n) => {
    if (state.query && !lowered[n].includes(state.query)) return false;
    if (!state.fates.size) return true;
    return data.runs.some((run) => [...run.nights[n].fates].some((fate) => state.fates.has(fate)));
  };

  const people = () => {
    const everybody = data.people.map((name, i) => [name, i]);
    const hit = state.query ? everybody.filter(([name]) => name.toLowerCase().includes(state.query)) : [];
    return hit.length ? hit : everybody;
  };

  const generationOf = (run, n, i) => data.generations[run.nights[n].generations[i]] || "nothing";

  function cell(run, n, i) {
    const fate = run.nights[n].fates[i];
    const made = make("i", { className: "f-" + (fate === "." ? "calm" : fate), tabIndex: -1 });
    const off = (state.fates.size && !state.fates.has(fate)) || !matches(n);
    if (off) made.classList.add("dim");
    const generation = generationOf(run, n, i);
    if (generation === "V2") made.classList.add("v2");
    const text = `${data.nights[n]} ${data.people[i]}, ${run.name}: ${data.fates[fate]}, ${generation}`;
    made.title = text;
    made.setAttribute("role", "button");
    made.setAttribute("aria-label", text);
    made.dataset.night = n;
    return made;
  }

  function months() {
    const cells = make("div", { className: "cells" });
    data.nights.forEach((day, n) => {
      const first = n === 0 ? day.slice(8) < "24" : day.endsWith("-01");
      const name = new Date(day + "T12:00Z").toLocaleDateString("en", { month: "short", timeZone: "UTC" });
      cells.append(make("b", { textContent: first ? name : "" }));
    });
    return make("div", { className: "row head" }, make("span"), cells);
  }

  function draw() {
    const listed = people();
    const shown = listed.slice(0, state.shown);
    const grids = data.runs.map((run, r) => {
      const rows = make("div", { className: "grid-rows" }, months());
      shown.forEach(([name, i]) => {
        const cells = make("div", { className: "cells" });
        data.nights.forEach((_, n) => cells.append(cell(run, n, i)));
        rows.append(make("div", { className: "row" }, make("span", { textContent: name, title: name }), cells));
      });
      const head = make("h3", {}, make("span", { className: "key k" + (r + 1) }), run.name);
      const box = make("div", { className: "policy" }, head, make("div", { className: "cal" }, rows));
      box.dataset.policy = run.name;
      return box;
    });
    if (listed.length > shown.length) {
      const more = make("button", { type: "button", id: "more",
        textContent: `Show more people (${shown.length} of ${listed.length})` });
      more.addEventListener("click", () => { state.shown += 4 * PAGE; draw(); });
      grids.push(make("p", {}, more));
    }
    $("grids").replaceChildren(...grids);
    const first = $("grids").querySelector("i");
    if (first) first.tabIndex = 0;
    list();
  }

  function marked(text) {
    const at = text.toLowerCase().indexOf(state.query);
    if (!state.query || at < 0) return [text.slice(0, 160)];
    const from = Math.max(0, at - 60);
    const end = at + state.query.length;
    return [(from ? "…" : "") + text.slice(from, at), make("mark", { textContent: text.slice(at, end) }),
      text.slice(end, end + 110)];
  }

  function list() {
    const active = state.query || state.fates.size;
    const found = active ? data.nights.map((_, n) => n).filter(matches) : [];
    $("found").textContent = active ? `${found.length} of ${data.nights.length} nights` : "";
    $("results").hidden = !state.query;
    $("results").replaceChildren(...found.slice(0, state.query ? 60 : 0).map((n) => {
      const hit = texts[n].join("\n").split("\n").find((line) => line.toLowerCase().includes(state.query)) || "";
      const button = make("button", { type: "button" }, make("b", { textContent: data.nights[n] }),
        make("small", {}, ...marked(hit)));
      button.dataset.night = n;
      return make("li", {}, button);
    }));
  }

  function side(run, n) {
    const night = run.nights[n];
    const r = data.runs.indexOf(run) + 1;
    const box = make("section", {}, make("h3", {}, make("span", { className: "key k" + r }), run.name));
    box.append(make("p", {}, make("b", { textContent: night.outcome })),
      make("p", { className: "note", textContent: `on offer ${night.tag ? named(night.tag) : "nothing"}; most people run ${named(night.version)}` }));
    const counts = {};
    for (const fate of night.fates) counts[fate] = (counts[fate] || 0) + 1;
    const list = make("ul", {});
    if (data.people.length <= 12) {
      data.people.forEach((name, i) => {
        const fate = night.fates[i];
        const why = night.reasons.filter((found) => found[1].includes(name)).map((found) => found[0]).join("; ");
        const broken = (night.broken.find((found) => found[0] === name) || [])[1];
        list.append(make("li", {}, swatch(fate), make("b", { textContent: name + " " }),
          data.fates[fate] + ", " + generationOf(run, n, i) + (broken ? ` ${broken} min` : "") + (why ? ": " + why : "")));
      });
    } else {
      Object.entries(counts).forEach(([fate, count]) =>
        list.append(make("li", {}, swatch(fate), `${count} ${data.fates[fate]}`)));
      night.reasons.slice(0, 12).forEach(([why, names, count]) =>
        list.append(make("li", {}, make("b", { textContent: `${count}: ` }), `${why} (${names.slice(0, 3).join(", ")})`)));
    }
    box.append(list);
    const lines = [...night.lines, ...(night.cut ? [`and ${night.cut} lines more`] : [])];
    if (lines.length) box.append(make("pre", { textContent: lines.join("\n") }));
    return box;
  }

  function open(n) {
    state.night = n;
    $("night-h").textContent = `The night of ${data.nights[n]}`;
    const befell = data.runs[0] ? data.runs[0].nights[n].happened : [];
    const body = [];
    if (befell.length) body.push(make("p", {}, make("b", { textContent: "On the host: " }), befell.join("; ")));
    body.push(make("div", { className: "side" }, ...data.runs.map((run) => side(run, n))));
    $("night-body").replaceChildren(...body);
    $("earlier").disabled = n === 0;
    $("later").disabled = n === data.nights.length - 1;
    if (!$("night").open) $("night").showModal();
    $("night").scrollTop = 0;
  }

  $("grids").addEventListener("click", (event) => {
    const hit = event.target.closest("i[data-night]");
    if (hit) { focus(hit); open(Number(hit.dataset.night)); }
  });
  $("results").addEventListener("click", (event) => {
    const hit = event.target.closest("button");
    if (hit) open(Number(hit.dataset.night));
  });
  $("earlier").addEventListener("click", () => open(state.night - 1));
  $("later").addEventListener("click", () => open(state.night + 1));
  $("night").addEventListener("click", (event) => { if (event.target === $("night")) $("night").close(); });
  $("night").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" && state.night > 0) open(state.night - 1);
    if (event.key === "ArrowRight" && state.night < data.nights.length - 1) open(state.night + 1);
  });

  // One cell at a time is on the way of the Tab key; the arrows move it.
  function focus(next) {
    const before = $("grids").querySelector("i[tabindex='0']");
    if (before) before.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  $("grids").addEventListener("keydown", (event) => {
    const here = event.target.closest("i[data-night]");
    if (!here) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(Number(here.dataset.night)); return; }
    const rows = [...$("grids").querySelectorAll(".row:not(.head) .cells")];
    const row = rows.indexOf(here.parentElement);
    const column = [...here.parentElement.children].indexOf(here);
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    let target = null;
    if (event.key in steps) {
      const [down, along] = steps[event.key];
      target = rows[row + down]?.children[column + along];
    } else if (event.key === "Home") target = here.parentElement.firstElementChild;
    else if (event.key === "End") target = here.parentElement.lastElementChild;
    if (target) { event.preventDefault(); focus(target); }
  });

  $("search").addEventListener("input", () => { state.query = $("search").value.trim().toLowerCase(); draw(); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !$("night").open) { event.preventDefault(); $("search").focus(); }
  });
  $("legend").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const fate = button.dataset.fate;
    const on = !state.fates.delete(fate);
    if (on) state.fates.add(fate);
    button.setAttribute("aria-pressed", String(on));
    draw();
  });

  document.querySelectorAll("[data-line]").forEach((box) => box.addEventListener("change", () =>
    document.querySelector("path." + box.dataset.line).classList.toggle("off", !box.checked)));

  // The chart tells what was run on the night under the pointer, and opens it.
  const chart = $("versions");
  const under = (event) => {
    const area = chart.getBoundingClientRect();
    const view = chart.viewBox.baseVal;
    const along = view.x + (event.clientX - area.left) / area.width * view.width;
    const n = Math.floor(along / (view.width - 16) * data.nights.length);
    return Math.min(data.nights.length - 1, Math.max(0, n));
  };
  chart.addEventListener("pointermove", (event) => {
    const n = under(event);
    const along = (chart.viewBox.baseVal.width - 16) * n / data.nights.length;
    $("cursor").removeAttribute("hidden");
    $("cursor").setAttribute("x1", along);
    $("cursor").setAttribute("x2", along);
    $("under").textContent = data.nights[n] + ": " + data.runs.map((run) => `${run.name} ${named(run.nights[n].version)}`).join(", ");
  });
  chart.addEventListener("click", (event) => open(under(event)));

  draw();
})();
