// Tables sort by the head of a column and filter by words; without this script they are complete and in the order of the report.
for (const region of document.querySelectorAll(".scroll")) {
  const table = region.querySelector("table"), rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const heads = [...table.tHead.rows].at(-1).cells;
  const isPlain = rows.every((row) => [...row.cells].every((cell) => cell.rowSpan === 1));
  if (table.matches(".sorts") && isPlain && rows.length > 2) [...heads].forEach(sortable);
  if (table.matches(".sorts") && isPlain && rows.length > 9) filterable();
  new ResizeObserver(() => region.classList.toggle("over", region.scrollWidth > region.clientWidth + 1)).observe(region);

  function sortable(head, place) {
    if (!head.matches("th")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const mine = [...body.rows].filter((row) => !row.querySelector("th.group"));
        mine.sort((a, b) => compared(a.cells[place], b.cells[place], falling ? -1 : 1));
        body.append(...mine);
      }
    });
  }

  // Cells without a value come last in both directions.
  function compared(a, b, direction) {
    const [x, y] = [a, b].map((cell) => cell.dataset.value ?? (cell.matches(".number") ? null : cell.textContent.trim()));
    if (x === null || y === null) return (x === null) - (y === null);
    const difference = Number(x) - Number(y);
    return direction * (Number.isNaN(difference) ? x.localeCompare(y, "en", { numeric: true }) : difference);
  }

  function filterable() {
    const label = document.createElement("label"), field = document.createElement("input"), count = document.createElement("output");
    field.type = "search";
    label.className = "filter";
    label.append("Rows with ", field, " ", count);
    region.before(label);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const mine = rows.filter((row) => !row.querySelector("th.group"));
      for (const row of mine) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      count.value = words.length ? `${mine.filter((row) => !row.hidden).length} of ${mine.length}` : "";
    });
  }
}
