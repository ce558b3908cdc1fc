"use strict";
// Draws the charts, makes tables sortable, and opens what a link names. The page is whole without it.
(() => {
  const units = { ns: 1, "µs": 1e3, ms: 1e6, s: 1e9, KiB: 1024, MiB: 1048576, GiB: 1073741824 };

  // The number that a cell begins with, in the unit behind it; NaN where it begins with none.
  const numberOf = (text) => {
    const match = /^[^\d-]*(-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([µA-Za-z]+)?/.exec(text);
    return match ? parseFloat(match[1].replaceAll(",", "")) * (units[match[2]] ?? 1) : NaN;
  };

  const sortBy = (table, column, heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const numeric = heading.classList.contains("n");
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const text = row.cells[column]?.firstChild?.textContent ?? "";
      return { row, text, number: numeric ? numberOf(text) : NaN };
    });
    const sign = descending ? -1 : 1;
    keyed.sort((a, b) => {
      if (!numeric) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
      if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number);
      return sign * (a.number - b.number);
    });
    table.tBodies[0].append(...keyed.map((entry) => entry.row));
  };

  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, column, heading));
      heading.append(button);
    });
  }

  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();

  if (typeof vegaEmbed !== "function") return;
  // Colours are the style's, by name, so that they follow light, dark and print without being drawn anew.
  const text = { labelColor: "var(--muted)", titleColor: "var(--muted)", labelFont: "system-ui", titleFont: "system-ui", labelFontSize: 11.5, titleFontSize: 11.5, titleFontWeight: 500 };
  const config = {
    background: "transparent",
    font: "system-ui",
    view: { stroke: "var(--line)" },
    axis: { ...text, gridColor: "var(--line)", gridOpacity: 0.6, domainColor: "var(--line)", tickColor: "var(--line)" },
    legend: { ...text, orient: "top", symbolSize: 70, columns: innerWidth < 600 ? 2 : undefined },
    header: { ...text, labelColor: "var(--fg)" },
    text: { color: "var(--muted)", fontSize: 11 },
    rule: { color: "var(--muted)" },
    line: { color: "var(--muted)" },
    bar: { color: "var(--maker-2)" },
    point: { color: "var(--maker-2)" },
    range: { category: [2, 1, 3, 4, 0, 5].map((maker) => `var(--maker-${maker})`) },
  };
  for (const chart of document.querySelectorAll(".chart")) {
    const spec = JSON.parse(document.getElementById(chart.dataset.spec).textContent);
    const controls = document.createElement("div");  // what a reader chooses
    controls.className = "controls";
    chart.before(controls);
    vegaEmbed(chart, spec, { bind: controls, logLevel: vega.Error /* a layer may be empty */, config, renderer: "svg", actions: false, mode: "vega-lite", tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } })
      .then(() => chart.setAttribute("data-drawn", ""), (error) => {
        console.error(error);
        chart.textContent = "This chart could not be drawn; its table says the same.";
      });
  }
})();
