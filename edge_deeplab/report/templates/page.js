"use strict";
(() => {
  const every = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // tables: a button in each header sorts by its column, again the other way; what has no value stays last
  const valueOf = (row, place, isNumber) => {
    const told = row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
    if (!isNumber) return told.toLowerCase();
    return told === "" || Number.isNaN(Number(told)) ? null : Number(told);
  };
  const sort = (header, place) => {
    const table = header.closest("table");
    const rising = header.getAttribute("aria-sort") !== "ascending";
    for (const other of every("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const isNumber = header.dataset.sort === "number";
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, place, isNumber), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return (a < b ? -1 : a > b ? 1 : 0) * (rising ? 1 : -1);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of every("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, place) => {
      if (!header.dataset.sort) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(header, place));
    });
  }

  // one of several panels, and one column of the table by class where the page is narrow
  for (const select of every("select[data-chooses]")) {
    const show = () => {
      for (const panel of every(`[data-choice="${select.dataset.chooses}"]`)) {
        panel.hidden = panel.dataset.key !== select.value;
      }
    };
    select.addEventListener("change", show);
    show();
  }
  for (const select of every("select[data-column]")) {
    const show = () => {
      for (const cell of every("[data-column-of]")) {
        cell.classList.toggle("other", cell.dataset.columnOf !== select.value);
      }
    };
    select.addEventListener("change", show);
    show();
  }

  // class maps: PNGs whose palette is by class id; their chunk tRNS, the alpha of each id, is written anew
  const maps = every("img[data-map]").map((image) => [image, image.src]);
  const checksum = (bytes) => {
    let rest = -1;
    for (const byte of bytes) {
      rest ^= byte;
      for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (0xedb88320 & -(rest & 1));
    }
    return ~rest >>> 0;
  };
  const withClasses = (whole, shown) => {
    const [head, content] = whole.split(",");
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
      const end = at + 8 + view.getUint32(at);
      if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) !== "tRNS") continue;
      for (let id = 0; at + 8 + id < end; id++) if (!shown.has(String(id))) bytes[at + 8 + id] = 0;
      view.setUint32(end, checksum(bytes.subarray(at + 4, end)));
    }
    return `${head},${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
  };

  // classes: unchosen ones leave tables, matrices and class maps, and photographs that differ in none of the chosen go
  const choices = every("input[data-class-choice]");
  const filter = () => {
    const shown = new Set(choices.filter((c) => c.checked).map((c) => c.dataset.classChoice));
    for (const each of every("[data-class]")) each.hidden = !shown.has(each.dataset.class);
    let photos = 0;
    for (const photo of every("[data-classes]")) {
      const classes = photo.dataset.classes.split(" ");
      photo.hidden = shown.size < choices.length && !classes.some((c) => shown.has(c));
      photos += photo.hidden ? 0 : 1;
    }
    for (const [image, whole] of maps) {
      image.src = shown.size < choices.length ? withClasses(whole, shown) : whole;
    }
    for (const empty of every(".empty")) empty.hidden = photos > 0;
    for (const count of every("[data-count]")) count.textContent = `${shown.size} of ${choices.length}`;
  };
  for (const choice of choices) choice.addEventListener("change", filter);
  for (const button of every("button[data-all]")) {
    button.addEventListener("click", () => {
      for (const choice of choices) choice.checked = button.dataset.all === "1";
      filter();
    });
  }

  // photographs: layers lie on each other, and the slider fades from one to the next
  const stops = ["photograph", "ground truth", "reference", "file"];
  for (const photo of every(".photo")) {
    const slider = photo.querySelector("input[type=range]");
    const marks = photo.querySelector("input[data-differences]");
    const draw = () => {
      const at = Number(slider.value);
      const variant = photo.querySelector("input[type=radio]:checked").value;
      for (const layer of every("[data-layer]", photo)) {
        const place = Number(layer.dataset.layer);
        const isOther = layer.dataset.variant && layer.dataset.variant !== variant;
        let opacity = Number.isNaN(place) ? (marks.checked ? Math.max(0, at - 2) : 0)
          : place === 0 ? 1 : Math.max(0, Math.min(1, at - place + 1));
        if (place > 0) opacity *= marks.checked && at > 2 ? 0.3 : 0.85;
        if (isOther) opacity = 0;
        layer.style.opacity = opacity;
        if (place === 0) layer.style.filter = marks.checked && at > 2 ? `grayscale(${at - 2})` : "none";
        layer.setAttribute("aria-hidden", String(opacity === 0));
      }
      for (const told of every(".differs [data-variant]", photo)) told.hidden = told.dataset.variant !== variant;
      slider.setAttribute("aria-valuetext", stops[Math.round(at)]);
      for (const stop of every("[data-stop]", photo)) {
        stop.setAttribute("aria-pressed", String(Number(stop.dataset.stop) === Math.round(at)));
      }
    };
    photo.querySelector(".controls").hidden = false;
    photo.addEventListener("input", draw);
    for (const stop of every("[data-stop]", photo)) {
      stop.addEventListener("click", () => {
        slider.value = stop.dataset.stop;
        draw();
      });
    }
    draw();
  }
})();
