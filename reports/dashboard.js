/* Sorts and filters the table of submissions. Without it the page shows all rows, in order. */
(() => {
  const table = document.querySelector(".roster"), body = table.tBodies[0], rows = [...body.rows];
  const bar = document.querySelector(".filters"), search = bar.querySelector("input"), shown = bar.querySelector("output");
  const buttons = [...bar.querySelectorAll("button")];
  const order = ["passed", "partial", "needs_review", "errored", "blocked", "failed"];
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const texts = rows.map((row) => fold(row.cells[0].textContent + " " + row.cells[1].textContent));
  const states = rows.map((row) => row.dataset.state.split(" "));
  const show = () => {
    const state = buttons.find((b) => b.getAttribute("aria-pressed") === "true").dataset.state;
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    let n = 0;
    rows.forEach((row, i) => {
      row.hidden = !((!state || states[i].includes(state)) && words.every((w) => texts[i].includes(w)));
      n += row.hidden ? 0 : 1;
    });
    shown.textContent = n + " / " + rows.length;
  };
  buttons.forEach((button) => button.addEventListener("click", () => {
    buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    show();
  }));
  search.addEventListener("input", show);
  const value = (row, column, numeric) => {
    const cell = row.cells[column], key = cell.dataset.key ?? cell.textContent.trim();
    return numeric ? (key === "" ? null : Number(key)) : order.includes(key) ? order.indexOf(key) : key || null;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), document.documentElement.lang, { numeric: true });
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      [...table.tHead.rows[0].cells].forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = rows.map((row, i) => [value(row, column, "numeric" in head.dataset), i, row]);
      keyed.sort(([a, i], [b, j]) => a === null || b === null ? (a === null) - (b === null) || i - j
        : (up ? 1 : -1) * compare(a, b) || i - j);
      body.append(...keyed.map((k) => k[2]));
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(input|textarea)$/i.test(document.activeElement.tagName)) { event.preventDefault(); search.focus(); }
  });
  const box = table.parentElement, fit = () => box.classList.toggle("fits", table.scrollWidth <= box.clientWidth);
  new ResizeObserver(fit).observe(box);
  bar.hidden = false;
  show();
})();
