// A click on a heading sorts the table by that column, a second click the other way.
// Rows without a value stay last.
document.querySelectorAll("table.sortable th").forEach(head => {
  head.addEventListener("click", () => {
    const place = head.cellIndex, body = head.closest("table").tBodies[0];
    const turn = head.dataset.turn === "1" ? -1 : 1;
    head.dataset.turn = turn;
    // A mean counts without its spread, which stands behind it.
    const text = row =>
      row.cells[place].textContent.replace("\u2212", "-").split(" \u00b1 ")[0];
    const missing = row => text(row) === "\u2013";
    const order = (a, b) => {
      if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
      const by = Number(text(a)) - Number(text(b));
      return turn * (isNaN(by) ? text(a).localeCompare(text(b)) : by);
    };
    [...body.rows].sort(order).forEach(row => body.append(row));
  });
});
