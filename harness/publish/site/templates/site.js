// What a page can do beyond being read: another theme, tables in another order, fewer rows.
// Without this script every page says all that it says with it.
(() => {
  "use strict";
  const root = document.documentElement;
  const KEY = "baremark-theme";
  const THEMES = ["auto", "light", "dark"];

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser may forbid it to files
    }
  };

  const show = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  const switcher = (place) => {
    let theme = THEMES.includes(stored()) ? stored() : "auto";
    const button = document.createElement("button");
    button.type = "button";
    const say = () => {
      button.textContent = `Theme: ${theme}`;
    };
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // it then lasts as long as the page
      }
      show(theme);
      say();
    });
    say();
    place.append(button);
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const content = (row, column) => {
      const cell = row.cells[column];
      return { number: cell.dataset.v, text: cell.textContent.trim() };
    };
    const less = (a, b) => {
      if (a.number !== undefined && b.number !== undefined) return a.number - b.number;
      return a.text.localeCompare(b.text, "en", { numeric: true });
    };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const numbers = rows.some((row) => row.cells[column].dataset.v !== undefined);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null };
        const was = head.getAttribute("aria-sort");
        const order = was in next ? next[was] : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (order) head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const known = (item) => !numbers || item.number !== undefined;
        const sorted = !order
          ? rows
          : [...rows].sort((one, other) => {
              const a = content(one, column);
              const b = content(other, column);
              if (known(a) !== known(b)) return known(a) ? -1 : 1; // what is missing comes last
              return sign * less(a, b);
            });
        body.append(...sorted);
      });
    });
  };

  const filterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter rows ", input);
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const kinds = [...new Set(rows.map((row) => row.dataset.r).filter(Boolean))];
    const buttons = kinds.map((kind) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        apply();
      });
      return button;
    });
    const apply = () => {
      const wanted = buttons
        .filter((button) => button.getAttribute("aria-pressed") === "true")
        .map((button) => button.textContent);
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits =
          (!wanted.length || wanted.includes(row.dataset.r)) &&
          words.every((word) => text.includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      status.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", apply);
    tools.append(label, ...(buttons.length > 1 ? buttons : []), status);
    table.closest(".box").before(tools);
  };

  const linked = (table) => {
    for (const row of table.querySelectorAll("tr")) {
      const cell = row.cells[1];
      if (!cell || cell.classList.contains("x") || cell.tagName !== "TD") continue;
      const link = document.createElement("a");
      link.textContent = cell.textContent.trim();
      link.href = `${table.dataset.raw}${encodeURIComponent(link.textContent)}.out.zst`;
      cell.replaceChildren(link);
    }
  };

  show(stored());
  document.addEventListener("DOMContentLoaded", () => {
    switcher(document.getElementById("theme"));
    for (const table of document.querySelectorAll("table.data")) {
      sortable(table);
      if ("filter" in table.dataset) filterable(table);
    }
    document.querySelectorAll("table.trials[data-raw]").forEach(linked);
  });
})();
